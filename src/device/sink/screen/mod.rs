//! A screen, with no window system: a display at a graphics card, a framebuffer, or a small panel at an SPI bus.
//!
//! Every frame is painted on a canvas in memory, upright, with the figures over it; the canvas is then copied to the screen,
//! turned as it hangs on the wall.

mod axis;
mod convert;
mod fbdev;
mod fit;
mod kms;
mod list;
mod options;
mod paint;
mod tft;
mod turned;
mod windows;

pub use list::{ScreenReport, list};
pub use options::{DrmOptions, Rotation, ScreenDevice, ScreenOptions, TftModel, TftOptions};

use super::Sink;
use crate::device::clock;
use crate::device::desk::Desk;
use crate::device::hud::{Canvas, Hud, Notice};
use crate::device::shot::{Picture, Shown};
use crate::error::{Error, Kind, Result};
use crate::geometry::Size;
use convert::Convert;
use fit::Place;
use paint::Painter;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use turned::Turned;

/// The most pixels that a screen may have.
const MAX_PIXELS: usize = 1 << 26;
/// How often a screen is asked whether it is still there.
const CHECK: Duration = Duration::from_secs(1);
/// The line between before and after.
const LINE: u32 = 0x00ff_ffff;

/// A screen that takes canvases.
trait Display: Send {
    /// Width and height as the screen is scanned.
    fn size(&self) -> Size;

    /// What it is called.
    fn name(&self) -> String;

    /// Shows a picture of the screen's size.
    fn present(&mut self, picture: Turned<'_>) -> Result<()>;

    /// An error where the screen is gone.
    fn check(&mut self) -> Result<()>;
}

/// Opens a screen, which shows frames from then on and what the desk's report says.
///
/// # Errors
/// Where there is no such screen, it may not be used, or another program has it.
pub fn open(options: &ScreenOptions, desk: &Arc<Desk>) -> Result<Box<dyn Sink>> {
    let display = match &options.device {
        ScreenDevice::Auto => any(&DrmOptions::default(), true)?,
        ScreenDevice::Drm(drm) => match &drm.card {
            Some(card) => Box::new(kms::Kms::open(card, drm)?),
            None => any(drm, false)?,
        },
        ScreenDevice::Framebuffer(path) => Box::new(fbdev::Framebuffer::open(path)?),
        ScreenDevice::Tft(panel) => Box::new(tft::Tft::open(panel)?),
    };
    let size = display.size();
    if size.checked_area().is_none_or(|area| area == 0 || area > MAX_PIXELS) {
        return Err(Error::limit(format!("a screen of {size} is beyond the limit of {MAX_PIXELS} pixels")));
    }
    log::info!("screen: {}, {size}", display.name());
    Ok(Box::new(Screen::new(display, options, Arc::clone(desk))))
}

/// The first display of any card; or the first framebuffer, where those are wanted and no card has plugs. Behind a card that
/// another program has, or whose display is unplugged, a framebuffer would take pictures that nobody sees.
fn any(drm: &DrmOptions, framebuffers: bool) -> Result<Box<dyn Display>> {
    let cards: Vec<PathBuf> = kms::cards().into_iter().filter(|card| kms::has_plugs(card)).collect();
    let mut refusals = Vec::new();
    for card in &cards {
        match kms::Kms::open(card, drm) {
            Ok(display) => return Ok(Box::new(display)),
            Err(error) => refusals.push(error),
        }
    }
    let framebuffers = if framebuffers && cards.is_empty() { fbdev::framebuffers() } else { Vec::new() };
    for path in &framebuffers {
        match fbdev::Framebuffer::open(path) {
            Ok(display) => return Ok(Box::new(display)),
            Err(error) => refusals.push(error),
        }
    }
    let last = refusals.pop();
    match (last, refusals.is_empty()) {
        (Some(only), true) => Err(only),
        (Some(last), false) => {
            let all: Vec<String> = refusals.into_iter().chain([last]).map(|error| error.to_string()).collect();
            Err(Error::new(Kind::Io, format!("no screen can be had: {}", all.join("; "))))
        }
        (None, _) => Err(Error::new(Kind::Io, "there is no screen: no /dev/dri/card* with plugs, and no /dev/fb*")
            .fix("on a Raspberry Pi: dtoverlay=vc4-kms-v3d in config.txt; or watch in a browser by --http")),
    }
}

fn refused(path: &Path, error: io::Error) -> Error {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    let error = Error::io("cannot open", path, error);
    if denied {
        error.fix("join the group that owns it: sudo usermod -aG video $USER, and log in again")
    } else {
        error
    }
}

/// A pixel of 16 bits: five of red, six of green, five of blue.
fn rgb565(pixel: u32) -> u16 {
    ((pixel >> 8) & 0xf800 | (pixel >> 5) & 0x07e0 | (pixel >> 3) & 0x001f) as u16
}

/// A screen at work.
struct Screen {
    display: Box<dyn Display>,
    desk: Arc<Desk>,
    canvas: Canvas,
    options: ScreenOptions,
    hud: Option<Hud>,
    notice: Notice,
    before: Option<Painter>,
    after: Option<Painter>,
    /// Memory of the rotation.
    block: Vec<u32>,
    /// Whether a frame was ever shown.
    seen: bool,
    /// Whether the canvas holds a darkened picture.
    dark: bool,
    checked: Duration,
}

impl Screen {
    fn new(display: Box<dyn Display>, options: &ScreenOptions, desk: Arc<Desk>) -> Self {
        let size = options.rotation.turned(display.size());
        Self {
            display,
            desk,
            canvas: Canvas::new(size),
            options: options.clone(),
            hud: options.hud.then(|| Hud::new(size)),
            notice: Notice::new(size),
            before: None,
            after: None,
            block: Vec::new(),
            seen: false,
            dark: false,
            checked: clock::now(),
        }
    }

    /// Takes everything off the picture that was laid over it.
    fn lift(&mut self) {
        self.notice.lift(&mut self.canvas);
        if let Some(hud) = &mut self.hud {
            hud.lift(&mut self.canvas);
        }
    }

    fn paint(&mut self, shown: &Shown) -> Result<()> {
        let place = Place::new(shown.large.header.size, self.canvas.size(), self.options.fill);
        let width = place.window.size.width;
        let middle = if self.options.split { width / 2 } else { 0 };
        if self.after.as_ref().is_none_or(|after| after.place() != place) {
            self.canvas.clear_black();
        }
        let sides = [(&mut self.before, &shown.small, 0..middle), (&mut self.after, &shown.large, middle..width)];
        for (painter, picture, columns) in sides {
            if !columns.is_empty() {
                check(picture)?;
                planned(painter, picture, shown, place, columns).paint(picture, &mut self.canvas);
            }
        }
        if self.options.split {
            let line = place.window.x + middle;
            let half = self.canvas.size().width.div_ceil(1000) / 2;
            for y in place.window.y..place.window.bottom() {
                let row = self.canvas.row_mut(y).get_mut(line.saturating_sub(half)..=line + half);
                row.unwrap_or_default().fill(LINE);
            }
        }
        Ok(())
    }

    fn present(&mut self) -> Result<()> {
        let now = clock::now();
        if let Some(hud) = &mut self.hud {
            self.desk.read(|report| hud.refresh(now, report));
            hud.lay(&mut self.canvas);
        }
        if self.dark {
            self.notice.lay(&mut self.canvas);
        }
        if now.saturating_sub(self.checked) >= CHECK {
            self.checked = now;
            self.display.check()?;
        }
        self.display.present(Turned { canvas: &self.canvas, rotation: self.options.rotation, block: &mut self.block })
    }
}

/// The painter for pictures like this one, planned anew where it is not.
fn planned<'a>(
    painter: &'a mut Option<Painter>,
    picture: &Picture,
    shown: &Shown,
    place: Place,
    columns: Range<usize>,
) -> &'a mut Painter {
    let convert = Convert::new(&picture.header, &shown.small.header);
    if painter.as_ref().is_some_and(|painter| !painter.fits(&picture.header, place, &columns, convert)) {
        *painter = None;
    }
    painter.get_or_insert_with(|| Painter::new(&picture.header, place, columns, convert))
}

fn check(picture: &Picture) -> Result<()> {
    let header = &picture.header;
    if header.bits == 8 && header.size.area() > 0 && picture.bytes.len() >= header.frame_bytes() {
        return Ok(());
    }
    Err(Error::internal(format!("{} bytes are no frame of '{header}'", picture.bytes.len())))
}

impl Sink for Screen {
    fn show(&mut self, shown: &Arc<Shown>) -> Result<()> {
        self.lift();
        self.dark = false;
        self.paint(shown)?;
        self.seen = true;
        self.present()
    }

    fn idle(&mut self) -> Result<()> {
        self.lift();
        let (notice, seen) = (&mut self.notice, self.seen);
        let said = self.desk.read(|report| notice.refresh(report, seen));
        if said && !self.dark {
            self.canvas.darken();
            self.dark = true;
        }
        self.present()
    }
}

#[cfg(test)]
mod tests;
