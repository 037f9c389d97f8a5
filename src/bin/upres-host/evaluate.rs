//! `upres-host evaluate`: scores generators and resamplers on benchmark sets.

use crate::model::{CorrectionArgs, ZooArgs};
use std::collections::BTreeMap;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use upres::atomic;
use upres::error::{Error, Result};
use upres::evaluate::{Gallery, Method, Report, Set, evaluate, page, table};
use upres::host::export::Artefact;
use upres::host::judge::judges;
use upres::progress::{Progress, readable, time_left};
use upres::resample::Filter;
use upres::self_exemplar::SelfExemplar;

/// Options of `upres-host evaluate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to judge: an .onnx file, the name of a generator, nearest, area, bilinear, bicubic or lanczos, or selfexsr
    #[arg(required = true, value_name = "MODEL")]
    methods: Vec<String>,
    /// A folder of originals, or one with HR/ and perhaps LR_x4/; may be given again
    #[arg(long, required = true, value_name = "DIR")]
    on: Vec<PathBuf>,
    /// Enlargement; the generator's own where there is one, else 4
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=16))]
    scale: Option<u8>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Write a page of HTML with the tables and crops side by side; bicubic is measured beside the others
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Crops to show in the report
    #[arg(long, default_value_t = 12, value_name = "N")]
    crops: usize,
    /// Side of a crop in pixels of the original
    #[arg(long, default_value_t = 96, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=1024))]
    crop_side: u16,
    /// The folder of the weights of perceptual measures; NIQE is measured where it holds niqe_pris_params.npz
    #[arg(long, value_name = "DIR", env = "UPRES_WEIGHTS")]
    weights: Option<PathBuf>,
    /// Put the means on the cards of the .onnx files that were judged, inside and beside them
    #[arg(long)]
    write_card: bool,
    #[command(flatten)]
    zoo: ZooArgs,
    #[command(flatten)]
    corrections: CorrectionArgs,
}

/// Runs `upres-host evaluate`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let bicubic = args.report.is_some() && !args.methods.iter().any(|name| name == "bicubic");
    let names = bicubic.then_some("bicubic").into_iter().chain(args.methods.iter().map(String::as_str));
    let methods = methods(names, &args.zoo, &args.corrections)?;
    let judges = args.weights.as_deref().map_or_else(|| Ok(Vec::new()), judges)?;
    let known = methods.iter().find_map(Method::scale);
    let scale = args.scale.map(usize::from).or(known).unwrap_or(4);
    let sets = args.on.iter().map(|folder| Set::open(folder, scale)).collect::<Result<Vec<_>>>()?;
    let mut gallery = match &args.report {
        Some(_) => Gallery::new(args.crops, args.crop_side.into()),
        None => Gallery::closed(),
    };
    let watch = Watch::new(sets.iter().map(|set| set.pairs.len() as u64).sum());
    let mut reports = Vec::new();
    for set in &sets {
        reports.push(evaluate(set, &methods, &judges, scale, &watch, &mut gallery)?);
    }
    watch.clear();
    print(&text(args, &reports))?;
    if let Some(path) = &args.report {
        atomic::write(path, page(&reports, &gallery)?.as_bytes())?;
        eprintln!("report: {}", path.display());
    }
    let failed: usize = reports.iter().map(|report| report.failed.len()).sum();
    if args.write_card && failed == 0 {
        write_cards(args, &reports)?;
    }
    if failed > 0 {
        eprintln!("upres-host: {failed} pictures could not be measured and are in no mean");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The means of `reports` on the card of every file that was judged, with the digits of the tables.
fn write_cards(args: &Args, reports: &[Report]) -> Result<()> {
    let files = args.methods.iter().map(Path::new).filter(|path| path.extension().is_some_and(|e| e == "onnx"));
    for file in files {
        let artefact = Artefact::open(file)?;
        let mut sets = BTreeMap::new();
        for report in reports {
            let names = [artefact.card.name.as_str(), &file.to_string_lossy()];
            let index = report.methods.iter().position(|method| names.contains(&method.as_str()));
            let Some(mean) = index.and_then(|index| report.mean.get(index)) else { continue };
            let values = report.measures.iter().zip(mean.values());
            let scores = values.filter_map(|(measure, value)| Some((measure.key.clone(), measure.rounded(value)?)));
            sets.insert(report.set.clone(), scores.collect());
        }
        let beside = file.file_name().is_some_and(|name| name == "model.onnx").then(|| file.parent()).flatten();
        artefact.with_scores(sets)?.save(beside.unwrap_or(file))?;
    }
    Ok(())
}

/// What was asked for, each under a name of its own.
///
/// # Errors
/// Where a generator cannot be opened, or a name stands twice.
pub(crate) fn methods<'a>(
    names: impl Iterator<Item = &'a str>,
    zoo: &ZooArgs,
    corrections: &CorrectionArgs,
) -> Result<Vec<Method>> {
    let zoo = zoo.zoo()?;
    let mut methods: Vec<Method> = Vec::new();
    for name in names {
        let scale = methods.iter().find_map(Method::scale).unwrap_or(4);
        let mut method = if let Some(filter) = Filter::by_name(name) {
            Method::resampler(filter)
        } else if let Some(searching) = SelfExemplar::by_name(name, scale) {
            Method::generator(Arc::new(searching?))
        } else {
            Method::generator(Arc::new(zoo.open(name, &corrections.overrides())?))
        };
        if methods.iter().any(|other| other.name == method.name) {
            method.name = name.to_string();
        }
        if methods.iter().any(|other| other.name == method.name) {
            return Err(Error::usage(format!("'{name}' was asked for twice")));
        }
        methods.push(method);
    }
    Ok(methods)
}

/// What was measured, for a script or a reader.
fn text(args: &Args, reports: &[Report]) -> String {
    if args.json {
        serde_json::json!({ "sets": reports.iter().map(Report::to_json).collect::<Vec<_>>() }).to_string()
    } else {
        reports.iter().map(table).collect::<Vec<_>>().join("\n")
    }
}

/// Prints `text`. A reader of ours that has gone away, such as `head`, is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::io("cannot write to", Path::new("stdout"), error))
        }
        _ => Ok(()),
    }
}

/// Pictures done and time left, on a terminal only.
pub(crate) struct Watch {
    done: AtomicU64,
    total: u64,
    begun: Instant,
    shown: bool,
}

impl Watch {
    pub(crate) fn new(total: u64) -> Self {
        Self { done: AtomicU64::new(0), total, begun: Instant::now(), shown: std::io::stderr().is_terminal() }
    }

    /// Takes the line off the terminal again.
    pub(crate) fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

impl Progress for Watch {
    fn advance(&self, amount: u64) {
        let done = self.done.fetch_add(amount, Ordering::Relaxed) + amount;
        if self.shown {
            let left = time_left(done, self.total, self.begun.elapsed());
            let left = left.map_or_else(String::new, |time| format!(", {} left", readable(time)));
            eprint!("\r\x1b[K{done} of {} pictures{left}", self.total);
            let _ = std::io::stderr().flush();
        }
    }
}
