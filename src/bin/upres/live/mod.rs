//! `upres live`: a camera in, the enlarged picture out.

mod catalogue;
mod choice;
mod keeper;
mod outputs;
pub(crate) mod settings;

use catalogue::Models;
use keeper::{Signals, Watch};
use outputs::{Outputs, duration as seconds};
use settings::Settings;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use upres::device::desk::Desk;
use upres::device::live::governor::GovernorOptions;
use upres::device::live::{self, Catalogue, LadderOptions, LiveOptions, OpenSource};
use upres::device::source::camera::{Camera, CameraOptions};
use upres::device::source::launch::{self, Programs};
use upres::device::source::pattern::{Pattern, PatternOptions};
use upres::device::source::uri::SourceUri;
use upres::device::stream::SparingOptions;
use upres::error::{Error, Kind, Result};
use upres::trust::Trust;
use upres::zoo::Zoo;

/// Options of `upres live`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Further settings, by the flags' names; SIGHUP reads the file again
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Print a report at the end as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `upres live`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let signals = Signals::listen(args.config.is_some());
    let mut settings = read(args)?;
    let mut desk = Arc::new(Desk::default());
    let mut outputs = Outputs::new(&settings, &desk)?;
    loop {
        once(&settings, outputs, &desk, &signals, args.json)?;
        if signals.ended() || !signals.reload() {
            return Ok(ExitCode::SUCCESS);
        }
        desk = Arc::default();
        outputs = match read_again(args, &desk) {
            Ok((fresh, outputs)) => {
                log::info!("the configuration was read again");
                settings = fresh;
                outputs
            }
            Err(error) => {
                log::error!("the old configuration stays: {error}");
                Outputs::new(&settings, &desk)?
            }
        };
    }
}

/// The configuration as it is now, if it can be followed; what was at work must have ended, since both may want one address.
fn read_again(args: &Args, desk: &Arc<Desk>) -> Result<(Settings, Outputs)> {
    let fresh = read(args)?;
    options(&fresh)?;
    let outputs = Outputs::new(&fresh, desk)?;
    Ok((fresh, outputs))
}

fn read(args: &Args) -> Result<Settings> {
    let told = match &args.config {
        Some(file) => args.settings.over_file(file)?,
        None => args.settings.clone(),
    };
    choice::with_board(told)
}

/// Whether live work could begin by `settings` and the board of this machine, as far as that can be told without opening a source or
/// an output. The model is opened.
///
/// # Errors
/// Those with which `upres live` would end.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    let whole = choice::with_board(settings.clone())?;
    options(&whole)?;
    whole.seconds.map(|time| seconds("seconds", time)).transpose()?;
    outputs::check(&whole)
}

/// Runs until the end, or until the configuration is to be read again.
fn once(settings: &Settings, outputs: Outputs, desk: &Arc<Desk>, signals: &Signals, json: bool) -> Result<()> {
    let Outputs { sinks, server, probe } = outputs;
    let options = LiveOptions { sinks, ..options(settings)? };
    let time = settings.seconds.map(|time| seconds("seconds", time)).transpose()?;
    let ended = live::run(options, desk, &mut Watch::new(signals, desk.clone(), time));
    drop(server);
    let report = desk.report();
    if json {
        let mut value = serde_json::to_value(&report).unwrap_or_default();
        if let (Some(probe), Some(object)) = (&probe, value.as_object_mut()) {
            object.insert("probe".into(), serde_json::to_value(probe.report()).unwrap_or_default());
        }
        println!("{value}");
    } else if let Some(probe) = probe.map(|probe| probe.report()) {
        println!(
            "{} frames read back, {} dropped, {} misread; age {:.1} ms median, {:.1} p95, {:.1} p99",
            probe.read, probe.dropped, probe.misread, probe.age.p50, probe.age.p95, probe.age.p99
        );
    }
    // A source that never gave anything is what the user must hear of, though it was tried again and again.
    match report.trouble {
        Some(trouble) if ended.is_ok() && report.captured == 0 && !signals.heard() => {
            Err(Error::new(Kind::Io, trouble))
        }
        _ => ended,
    }
}

/// What was typed, as the library means it; without sinks.
fn options(settings: &Settings) -> Result<LiveOptions> {
    let (source_name, source) = source(settings.source.as_deref().unwrap_or("v4l2:"))?;
    let zoo = Zoo::new(settings.models_dir.clone()).trusting(Trust::new(&settings.trusted_key)?);
    let (model, threads) = choice::model(settings, &zoo)?;
    let own = choice::factor(&zoo, &model)?;
    let scale = match (settings.scale, own) {
        (Some(scale), _) if !(1.0..=8.0).contains(&scale) => {
            return Err(Error::usage(format!("a scale of {scale} is not between 1 and 8")));
        }
        (Some(scale), _) => scale,
        (None, own) => own.unwrap_or(2) as f64,
    };
    let catalogue = Models::new(zoo, choice::runner(settings)?, own.unwrap_or(scale.ceil() as usize), &model)?;
    let refresh = seconds("refresh", settings.refresh.unwrap_or(10.0))?;
    let sparing = match settings.reuse.as_deref().unwrap_or("auto") {
        "off" => None,
        threshold => Some(SparingOptions { threshold: threshold.parse()?, refresh }),
    };
    let governed = settings.governor.unwrap_or(true);
    let hot = settings.hot.unwrap_or(GovernorOptions::default().hot);
    if let Some(strength) = settings.strength {
        if !(0.0..=1.0).contains(&strength) {
            return Err(Error::usage(format!("a strength of {strength} is not between 0 and 1")));
        }
        if catalogue.strength(&model).is_none() {
            return Err(Error::usage(format!("'{model}' has one strength only"))
                .fix("leave --strength out, or take a model with two ends such as sharp-x4"));
        }
    }
    Ok(LiveOptions {
        source_name,
        source,
        crop: settings.crop.as_deref().map(str::parse).transpose()?,
        catalogue: Arc::new(catalogue),
        model,
        strength: settings.strength,
        ladder: LadderOptions { scale, threads, tile: None, sparing, governed },
        governor: GovernorOptions { hot, ..GovernorOptions::default() },
        sinks: Vec::new(),
        retry: Duration::from_millis(250),
        most: settings.frames,
    })
}

/// How the source of that name is opened, and how it may be shown.
fn source(text: &str) -> Result<(String, OpenSource)> {
    let uri: SourceUri = text.parse()?;
    let name = uri.to_string();
    let open: OpenSource = match &uri {
        SourceUri::Camera(rest) => {
            let options: CameraOptions = rest.parse()?;
            Box::new(move || Ok(Box::new(Camera::open(&options)?)))
        }
        SourceUri::Pattern(rest) => {
            let options: PatternOptions = rest.parse()?;
            Box::new(move || Ok(Box::new(Pattern::new(options.clone())?)))
        }
        _ => {
            let programs = Programs::default();
            Box::new(move || {
                let opened = launch::open(&uri, &programs)?;
                opened.ok_or_else(|| Error::internal(format!("{uri} cannot be opened")))
            })
        }
    };
    Ok((name, open))
}
