//! The command line.

use std::path::PathBuf;
use std::time::Duration;

/// How long a stalled camera is silent: longer than anyone waits.
pub const STALL: Duration = Duration::from_secs(12);

/// What the camera is and how it misbehaves.
pub struct Options {
    /// Width and height.
    pub size: (u16, u16),
    /// Frames a second.
    pub rate: u32,
    /// A folder of JPEG files, sent in turn.
    pub jpegs: PathBuf,
    /// JPEG files of another size, sent instead after so many frames.
    pub change: Option<(u64, PathBuf)>,
    /// The plug is pulled after so many frames.
    pub unplug: Option<u64>,
    /// Silent for a while after so many frames.
    pub stall: Option<u64>,
    /// Each so-manieth frame is cut in the middle.
    pub truncate: Option<u64>,
    /// Each so-manieth frame is noise.
    pub garbage: Option<u64>,
}

pub const HELP: &str = "uvcsim JPEGS WIDTHxHEIGHT RATE [--unplug N] [--stall N] [--truncate EACH] [--garbage EACH] \
    [--change N --to JPEGS]";

impl Options {
    /// Reads the command line.
    pub fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut next = || args.next().ok_or(HELP.to_owned());
        let jpegs = PathBuf::from(next()?);
        let size = next()?;
        let (width, height) = size.split_once('x').ok_or(HELP)?;
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
        let side = |text: &str| text.parse::<u16>().map_err(|error| format!("{text}: {error}"));
        let (size, rate) = ((side(width)?, side(height)?), number(&next()?)?.max(1) as u32);
        let (mut at, mut to) = (None, None);
        let mut options =
            Self { size, rate, jpegs, change: None, unplug: None, stall: None, truncate: None, garbage: None };
        while let Ok(name) = next() {
            let value = next()?;
            match name.as_str() {
                "--unplug" => options.unplug = Some(number(&value)?),
                "--stall" => options.stall = Some(number(&value)?),
                "--truncate" => options.truncate = Some(number(&value)?.max(1)),
                "--garbage" => options.garbage = Some(number(&value)?.max(1)),
                "--change" => at = Some(number(&value)?),
                "--to" => to = Some(PathBuf::from(value)),
                _ => return Err(HELP.to_owned()),
            }
        }
        options.change = at.zip(to);
        Ok(options)
    }

    /// From one frame to the next.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.rate
    }
}
