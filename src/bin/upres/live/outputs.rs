//! From settings to sinks.

use super::settings::Settings;
use crate::limits::parse_bytes;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use upres::device::desk::{Desk, Wish};
use upres::device::live::SinkPlan;
use upres::device::shot::Shown;
use upres::device::sink::http::{HttpOptions, HttpServer};
use upres::device::sink::loopback::{Loopback, LoopbackOptions};
use upres::device::sink::probe::Probe;
use upres::device::sink::record::{RecordOptions, Recorder};
use upres::device::sink::screen::{self, Rotation, ScreenDevice, ScreenOptions};
use upres::device::sink::snapshot::Snapshots;
use upres::device::sink::{Audience, Sink};
use upres::error::{Error, Result};

/// All that frames go to, and what must live as long.
#[derive(Default)]
pub(super) struct Outputs {
    pub(super) sinks: Vec<SinkPlan>,
    pub(super) server: Option<HttpServer>,
    pub(super) probe: Option<Probe>,
}

impl Outputs {
    /// What `settings` ask for; a page on loopback where they ask for nothing.
    ///
    /// # Errors
    /// A usage error for what cannot be; an I/O error where the server's address cannot be had. Devices are opened later, and
    /// again.
    pub(super) fn new(settings: &Settings, desk: &Arc<Desk>) -> Result<Self> {
        let mut outputs = Self::default();
        outputs.screen(settings, desk)?;
        outputs.camera(settings)?;
        outputs.record(settings)?;
        if settings.probe == Some(true) {
            let probe = Probe::default();
            outputs.probe = Some(probe.clone());
            outputs.push("probe", Audience::always(), move || Ok(Box::new(probe.clone())));
        }
        if let Some(address) = address(settings) {
            outputs.http(address, settings, desk)?;
        }
        outputs.snapshots(settings, desk)?;
        Ok(outputs)
    }

    fn push(
        &mut self,
        name: &'static str,
        audience: Audience,
        open: impl FnMut() -> Result<Box<dyn Sink>> + Send + 'static,
    ) {
        self.sinks.push(SinkPlan { name, audience, open: Box::new(open) });
    }

    fn screen(&mut self, settings: &Settings, desk: &Arc<Desk>) -> Result<()> {
        let Some(options) = screen_options(settings)? else { return Ok(()) };
        let desk = desk.clone();
        self.push("screen", Audience::always(), move || screen::open(&options, &desk));
        Ok(())
    }

    fn camera(&mut self, settings: &Settings) -> Result<()> {
        let Some(options) = camera_options(settings)? else { return Ok(()) };
        self.push("camera", Audience::always(), move || Ok(Box::new(Loopback::open(&options))));
        Ok(())
    }

    fn record(&mut self, settings: &Settings) -> Result<()> {
        let Some(options) = record_options(settings)? else { return Ok(()) };
        is_folder("record", &options.folder)?;
        self.push("record", Audience::always(), move || Ok(Box::new(Recorder::open(&options)?)));
        Ok(())
    }

    fn http(&mut self, address: &str, settings: &Settings, desk: &Arc<Desk>) -> Result<()> {
        let mut options = http_options(address, settings)?;
        if let Some(file) = &settings.http_token_file {
            let text = fs::read_to_string(file).map_err(|e| Error::io("cannot read", file, e))?;
            options.token = Some(text.lines().next().unwrap_or_default().trim().to_owned());
        }
        let audience = Audience::default();
        let (server, sink) = HttpServer::start(options, desk.clone(), audience.clone())?;
        log::info!("the page is at http://{}", server.address());
        self.server = Some(server);
        self.push("http", audience, move || Ok(Box::new(sink.clone())));
        Ok(())
    }

    fn snapshots(&mut self, settings: &Settings, desk: &Arc<Desk>) -> Result<()> {
        let Some(folder) = &settings.snapshots else { return Ok(()) };
        is_folder("snapshots", folder)?;
        desk.write(|report| report.snapshots = true);
        let (folder, desk) = (folder.clone(), desk.clone());
        self.push("snapshots", Audience::default(), move || {
            Ok(Box::new(Photographer { snapshots: Snapshots::new(folder.clone()), desk: desk.clone() }))
        });
        Ok(())
    }
}

/// Whether [`Outputs::new`] could follow `settings`, as far as words tell: nothing is opened, and no folder, token or device is
/// looked for.
///
/// # Errors
/// A usage error.
pub(super) fn check(settings: &Settings) -> Result<()> {
    screen_options(settings)?;
    camera_options(settings)?;
    record_options(settings)?;
    if let Some(address) = address(settings) {
        let options = http_options(address, settings)?;
        // Without its token, which is not read here, an open address would be refused.
        HttpOptions { address: SocketAddr::from(([127, 0, 0, 1], options.address.port())), ..options }.check()?;
    }
    Ok(())
}

/// Where the page is to be, if anywhere: on loopback where nothing else is asked for.
fn address(settings: &Settings) -> Option<&str> {
    let other = settings.screen.is_some() || settings.camera_out.is_some() || settings.record.is_some();
    let alone = !other && settings.probe != Some(true);
    settings.http.as_deref().or(alone.then_some("127.0.0.1:8080"))
}

fn screen_options(settings: &Settings) -> Result<Option<ScreenOptions>> {
    let Some(device) = &settings.screen else { return Ok(None) };
    let rotation = match settings.rotate.unwrap_or(0) {
        0 => Rotation::None,
        90 => Rotation::Quarter,
        180 => Rotation::Half,
        270 => Rotation::ThreeQuarters,
        other => {
            return Err(
                Error::usage(format!("a picture is not turned by {other} degrees")).fix("choose 0, 90, 180 or 270")
            );
        }
    };
    Ok(Some(ScreenOptions {
        device: device.parse::<ScreenDevice>()?,
        rotation,
        split: settings.split.unwrap_or(false),
        hud: settings.hud.unwrap_or(false),
        fill: settings.fill.unwrap_or(false),
    }))
}

fn camera_options(settings: &Settings) -> Result<Option<LoopbackOptions>> {
    settings.camera_out.as_deref().map(str::parse).transpose()
}

fn record_options(settings: &Settings) -> Result<Option<RecordOptions>> {
    let Some(folder) = &settings.record else { return Ok(None) };
    let mut options = RecordOptions::new(folder.clone());
    if let Some(format) = &settings.record_format {
        options.container = format.parse()?;
    }
    if let Some(seconds) = settings.segment {
        options.segment = super::seconds("segment", seconds)?;
    }
    if let Some(quota) = &settings.quota {
        options.quota = parse_bytes(quota)?;
    }
    options.quality = quality(settings)?.unwrap_or(options.quality);
    Ok(Some(options))
}

/// What the page is to be, without its token.
fn http_options(address: &str, settings: &Settings) -> Result<HttpOptions> {
    let address: SocketAddr = address.parse().map_err(|_| {
        Error::usage(format!("'{address}' is no address")).fix("write ADDRESS:PORT, such as 127.0.0.1:8080")
    })?;
    let mut options = HttpOptions::new(address);
    let hosts = settings.http_hosts.iter().flat_map(|hosts| hosts.split(','));
    options.hosts = hosts.map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect();
    options.clients = settings.http_clients.unwrap_or(options.clients);
    options.quality = quality(settings)?.unwrap_or(options.quality);
    Ok(options)
}

/// Takes a snapshot where one is wished for.
struct Photographer {
    snapshots: Snapshots,
    desk: Arc<Desk>,
}

impl Sink for Photographer {
    fn show(&mut self, shown: &Arc<Shown>) -> Result<()> {
        if self.desk.take(|wish| *wish == Wish::Snapshot).is_some() {
            let path = self.snapshots.take(shown)?;
            log::info!("snapshot: {}", path.display());
        }
        Ok(())
    }
}

fn quality(settings: &Settings) -> Result<Option<u8>> {
    match settings.quality {
        Some(quality) if !(1..=100).contains(&quality) => {
            Err(Error::usage(format!("a quality of {quality} is not between 1 and 100")))
        }
        quality => Ok(quality),
    }
}

fn is_folder(flag: &str, folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::usage(format!("--{flag} {} is no folder", folder.display()))
        .fix(format!("mkdir -p {}", folder.display())))
}

/// Seconds from a flag.
pub(super) fn duration(flag: &str, seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| Error::usage(format!("--{flag} {seconds} is no time")).fix("write seconds, more than 0"))
}
