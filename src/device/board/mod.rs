//! Boards: what suits a kind of machine, as data. Profiles of the usual boards are compiled in; one is chosen by what the machine says
//! of itself, or named, or read from a file that a user wrote.

pub mod doctor;
pub mod machine;
mod value;

use crate::device::source::camera::CameraOptions;
use crate::device::source::pattern::PatternOptions;
use crate::device::source::uri::SourceUri;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::written;
use machine::Machine;
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// What frames are taken to be where neither the source nor the board says: what most cameras give.
pub const USUAL: Size = Size::new(640, 480);

/// The profile that changes nothing.
pub const GENERIC: &str = "generic";

/// The largest file that is read as a profile, in bytes.
const MOST_BYTES: u64 = 64 * 1024;

const KEYS: &str = "keys are name, description, matches, threads, hot, [[models]] with up-to and model, [camera] source, \
                    [display] screen and rotate; 'upres boards NAME' prints an example";

/// The text of `board/profiles/NAME.toml`.
macro_rules! built_in {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../../board/profiles/", $name, ".toml")))),*]
    };
}

/// The profiles that are compiled in.
const BUILT_IN: &[(&str, &str)] =
    built_in!["pi-zero-2-w", "pi-3", "pi-4", "pi-5", "jetson-nano", "jetson-orin-nano", "jetson-agx", "generic"];

/// What suits one kind of machine. What is left out is as on any other.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Board {
    /// Short name: small letters, digits and dashes.
    #[serde(deserialize_with = "value::name")]
    pub name: String,
    /// What it is, on one line.
    #[serde(deserialize_with = "value::line")]
    pub description: String,
    /// What the machine calls itself: a part of the device tree's model, or the whole of one of its `compatible`.
    #[serde(default, deserialize_with = "value::matches")]
    pub matches: Vec<String>,
    /// Threads that share a frame, 1 to 256.
    #[serde(default, deserialize_with = "value::threads")]
    pub threads: Option<usize>,
    /// Degrees Celsius from which on live work steps down, 40 to 110.
    #[serde(default, deserialize_with = "value::hot")]
    pub hot: Option<f64>,
    /// Which generator for which size of frames, the smallest frames first.
    #[serde(default, deserialize_with = "value::rows")]
    pub models: Vec<Row>,
    /// The camera.
    #[serde(default)]
    pub camera: CameraDefaults,
    /// The screen.
    #[serde(default)]
    pub display: DisplayDefaults,
}

/// Which generator for which size of frames.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Row {
    /// Frames of so many pixels or fewer; the last row is for larger ones as well.
    #[serde(deserialize_with = "value::size")]
    pub up_to: Size,
    /// A compiled-in generator.
    #[serde(deserialize_with = "value::model")]
    pub model: String,
}

/// What the camera is where the user names none.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CameraDefaults {
    /// As `upres live --source` reads it.
    #[serde(deserialize_with = "value::source")]
    pub source: Option<String>,
}

/// What the screen is where the user asks for one, but not for which.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DisplayDefaults {
    /// As `upres live --screen` reads it.
    #[serde(deserialize_with = "value::screen")]
    pub screen: Option<String>,
    /// Degrees, clockwise: 0, 90, 180 or 270.
    #[serde(deserialize_with = "value::rotate")]
    pub rotate: Option<u32>,
}

impl Board {
    /// Reads a profile.
    ///
    /// # Errors
    /// A usage error, with the line, where it says what cannot be.
    pub fn from_toml(text: &str) -> Result<Self> {
        written::read(text, "board profile", KEYS)
    }

    /// The profile of that name, or in that file: what ends in `.toml` or has a slash in it.
    ///
    /// # Errors
    /// A usage error where there is no such profile or it cannot be followed; an I/O error where a file cannot be read.
    pub fn open(name_or_file: &str) -> Result<Self> {
        let path = Path::new(name_or_file);
        if path.extension().is_none_or(|ending| ending != "toml") && !name_or_file.contains('/') {
            return Self::from_toml(text(name_or_file)?);
        }
        let cannot = |e| Error::io("cannot read", path, e);
        let metadata = fs::metadata(path).map_err(cannot)?;
        if !metadata.is_file() || metadata.len() > MOST_BYTES {
            return Err(Error::usage(format!("{} is no file of at most {MOST_BYTES} bytes", path.display())));
        }
        let text = fs::read_to_string(path).map_err(cannot)?;
        Self::from_toml(&text).map_err(|e| e.at(path.display()))
    }

    /// All that are compiled in.
    ///
    /// # Errors
    /// Never, as the tests hold.
    pub fn all() -> Result<Vec<Self>> {
        BUILT_IN.iter().map(|(_, text)| Self::from_toml(text)).collect()
    }

    /// The profile for `machine`: the one with the longest match, or else the generic one.
    ///
    /// # Errors
    /// Never, as the tests hold.
    pub fn of(machine: &Machine) -> Result<Self> {
        let all = Self::all()?;
        let best = all.iter().map(|board| board.likeness(machine)).max().unwrap_or(0);
        let found = all.into_iter().find(|board| board.likeness(machine) == best && best > 0);
        found.map_or_else(|| Self::open(GENERIC), Ok)
    }

    /// Characters of the longest name that fits; 0 where none does.
    fn likeness(&self, machine: &Machine) -> usize {
        let fits = |name: &&String| machine.model.contains(name.as_str()) || machine.compatible.contains(name);
        self.matches.iter().filter(fits).map(String::len).max().unwrap_or(0)
    }

    /// The generator for frames of `size` (640 × 480 where that is not known) that are to become `scale` times as large: of those with
    /// the smallest factor that reaches it, the first that is for frames of so many pixels, or else the last. Nothing where the profile
    /// leaves it open.
    pub fn model(&self, scale: f64, size: Option<Size>) -> Option<&str> {
        let factors = self.models.iter().filter_map(|row| value::factor(&row.model));
        let factor = factors.filter(|&factor| factor as f64 >= scale).min()?;
        let mut own = self.models.iter().filter(|row| value::factor(&row.model) == Some(factor));
        let pixels = |size: Size| size.checked_area().unwrap_or(usize::MAX);
        let frame = pixels(size.unwrap_or(USUAL));
        let last = own.clone().next_back();
        own.find(|row| pixels(row.up_to) >= frame).or(last).map(|row| row.model.as_str())
    }
}

/// The names of the profiles that are compiled in.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The text of a compiled-in profile, to be copied and changed.
///
/// # Errors
/// A usage error where there is none of that name.
pub fn text(name: &str) -> Result<&'static str> {
    let found = BUILT_IN.iter().find(|(own, _)| *own == name).map(|(_, text)| *text);
    found.ok_or_else(|| {
        let names: Vec<_> = names().collect();
        Error::usage(format!("there is no board '{name}'"))
            .fix(format!("there are {}; or give a FILE.toml", names.join(", ")))
    })
}

/// The size of a source's frames, where its name says it.
pub fn frame_size(source: &str) -> Option<Size> {
    match source.parse().ok()? {
        SourceUri::Camera(rest) => rest.parse::<CameraOptions>().ok()?.size,
        SourceUri::Pattern(rest) => rest.parse::<PatternOptions>().ok().map(|options| options.size),
        SourceUri::Libcamera(sensor) | SourceUri::Csi(sensor) => Some(sensor.size),
        SourceUri::Pipe(_) | SourceUri::Network(_) | SourceUri::File(_) => None,
    }
}

#[cfg(test)]
mod tests;
