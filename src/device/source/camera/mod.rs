//! Cameras by V4L2: the best that they offer is chosen, what the driver really gave is adopted, and what it says is not
//! believed without a look.

mod choose;
mod list;
pub(in crate::device) mod node;
mod options;
#[cfg(test)]
mod tests;

pub use choose::{Choice, Offer, Rates, Sides, SizeOffer, choose};
pub(crate) use list::{BUSY, RAW_SENSORS};
pub use list::{DeviceReport, FormatReport, Role, SizeReport};
pub use options::CameraOptions;

use super::{Next, Source};
use crate::device::clock;
use crate::device::shot::{Format, MOST_PIXELS, Packing, Shot};
use crate::error::{Error, Kind, Result};
use crate::geometry::Size;
use crate::y4m::{Chroma, Range, Ratio};
use log::{info, warn};
use node::{Given, Node, Stream, refused};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest wait for a frame.
const WAIT: Duration = Duration::from_millis(500);
/// A camera from which no good frame came in so long is opened anew.
const DEAD: Duration = Duration::from_secs(10);
/// A stamp older than this is not believed.
const OLDEST_STAMP: Duration = Duration::from_secs(5);
/// More lost frames in a row than this are a driver that counts anew.
const LARGEST_GAP: u32 = 10_000;

/// An open camera whose frames come.
pub struct Camera {
    path: PathBuf,
    format: Format,
    stream: Stream,
    counter: Counter,
    damaged: u64,
    /// When the last good frame came, on [`clock`].
    alive: Duration,
}

/// Frame numbers from those of the driver.
#[derive(Debug, Default)]
struct Counter {
    last: Option<(u32, u64)>,
}

impl Counter {
    fn number(&mut self, sequence: u32) -> u64 {
        let number = match self.last {
            None => 0,
            Some((before, number)) => match sequence.wrapping_sub(before) {
                gap @ 1..=LARGEST_GAP => number + u64::from(gap),
                // The driver counts anew, or does not count at all.
                _ => number + 1,
            },
        };
        self.last = Some((sequence, number));
        number
    }
}

/// The driver's stamp, where it can be true.
fn taken(stamp: Option<Duration>, now: Duration) -> Duration {
    stamp.filter(|&stamp| now.checked_sub(stamp).is_some_and(|age| age < OLDEST_STAMP)).unwrap_or(now)
}

/// The format of frames as the driver really gives them.
///
/// # Errors
/// Where that is not read.
fn adopt(asked: &Choice, given: &Given, rate: Option<Ratio>) -> Result<Format> {
    let [width, height] = given.size;
    let size = Size::new(width as usize, height as usize);
    let name: String = given.fourcc.escape_ascii().to_string();
    let packing = Packing::from_fourcc(given.fourcc).ok_or_else(|| {
        Error::input(format!("the camera gives '{name}' when asked for {}, which is not read", asked.packing))
            .fix("name another format, such as ?format=YUYV; 'upres devices' lists them")
    })?;
    if size.checked_area().is_none_or(|area| area == 0 || area > MOST_PIXELS) {
        return Err(
            Error::input(format!("the camera gives frames of {size}")).fix("name a size, such as ?size=640x480")
        );
    }
    let row = packing.row_bytes(size.width);
    let stride = match (packing, given.stride as usize) {
        (Packing::Jpeg, _) => 0,
        (_, stride) if stride > 16 * row.max(4096) => {
            return Err(Error::input(format!("the camera gives {stride} bytes a row for {packing} {size}")));
        }
        (_, stride) => stride.max(row),
    };
    let range = match (packing, given.range) {
        // Cameras without colour are sensors without television behind them.
        (Packing::Jpeg | Packing::Rgb24, _) | (Packing::Planar(Chroma::Mono), None) => Range::Full,
        (_, Some(range)) => range,
        (_, None) => Range::Studio,
    };
    Ok(Format { packing, size, stride, range, rate })
}

impl Camera {
    /// Opens a camera, sets it to the best that it offers and lets frames come.
    ///
    /// # Errors
    /// Where there is none, it is in use or not allowed, or gives what is not read.
    pub fn open(options: &CameraOptions) -> Result<Self> {
        let (path, node) = match &options.device {
            Some(path) => (path.clone(), Node::open(path).map_err(|error| refused("cannot open", path, error))?),
            None => list::first_camera()?,
        };
        let (format, node) = Self::set(&path, node, options)?;
        let stream = node.stream().map_err(|error| refused("cannot start", &path, error))?;
        Ok(Self { path, format, stream, counter: Counter::default(), damaged: 0, alive: clock::now() })
    }

    fn set(path: &Path, node: Node, options: &CameraOptions) -> Result<(Format, Node)> {
        let said = |error| refused("cannot use", path, error);
        let identity = node.identity().map_err(said)?;
        if !identity.captures() {
            let what = if identity.planes() { "gives frames only in several planes" } else { "is no camera" };
            return Err(Error::new(Kind::Io, format!("{} {what}: {}", path.display(), identity.card))
                .fix("'upres devices' lists the cameras; those of a Pi's ribbon cable are read by libcamera:"));
        }
        let offers = node.offers(options.size.unwrap_or(choose::AIM)).map_err(said)?;
        let choice = choose(&offers, options).ok_or_else(|| {
            Error::new(Kind::Io, format!("{} offers nothing that is read", path.display()))
                .fix("'upres devices' lists what it offers; raw sensors are read by libcamera: or csi:")
        })?;
        let fourcc = Packing::ALL.iter().find(|(packing, _)| *packing == choice.packing).map(|(_, fourcc)| *fourcc);
        let fourcc = fourcc.ok_or_else(|| Error::internal("a packing without a fourcc was chosen"))?;
        let given = node.set_capture(choice.size, fourcc).map_err(|error| refused("cannot set", path, error))?;
        let rate = node.set_rate(choice.rate);
        let format = adopt(&choice, &given, rate).map_err(|error| error.at(path.display()))?;
        differences(path, &choice, options, &format);
        if !given.progressive {
            warn!("{}: half pictures come in turn; moving edges will be combs", path.display());
        }
        info!("{}: {} gives {format}", path.display(), identity.card);
        Ok((format, node))
    }

    /// Every video device of this machine.
    pub fn list() -> Vec<DeviceReport> {
        list::devices()
    }

    /// The device's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Frames that were too short or that the driver called damaged; they were passed over.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }
}

/// Says where the driver gave something else.
fn differences(path: &Path, choice: &Choice, options: &CameraOptions, format: &Format) {
    let size = options.size.unwrap_or(choice.size);
    if format.packing != choice.packing || format.size != size {
        warn!("{}: asked for {} {size}, the camera gives {format}", path.display(), choice.packing);
    } else if let (Some(wish), Some(rate)) = (options.rate, format.rate) {
        let [wish, rate] = [wish, rate].map(|rate| f64::from(rate.num) / f64::from(rate.den));
        if (wish / rate - 1.0).abs() > 0.01 {
            warn!("{}: asked for {wish:.3} frames/s, the camera gives {rate:.3}", path.display());
        }
    }
}

impl Source for Camera {
    fn format(&self) -> Format {
        self.format
    }

    fn next(&mut self, shot: &mut Shot) -> Result<Next> {
        let stamp = self.stream.newest(WAIT, &mut shot.bytes);
        let stamp = stamp.map_err(|error| refused("no more frames from", &self.path, error))?;
        let now = clock::now();
        if let Some(stamp) = stamp {
            let number = self.counter.number(stamp.sequence);
            if !stamp.damaged && shot.bytes.len() >= self.format.least_bytes() {
                self.alive = now;
                (shot.format, shot.number, shot.taken) = (self.format, number, taken(stamp.time, now));
                return Ok(Next::Frame);
            }
            self.damaged += 1;
        }
        if now.saturating_sub(self.alive) < DEAD {
            return Ok(Next::Nothing);
        }
        let seconds = DEAD.as_secs();
        Err(Error::new(Kind::Io, format!("{} gave no good frame in {seconds} seconds", self.path.display()))
            .fix("if it stays so, unplug the camera and plug it in again"))
    }
}
