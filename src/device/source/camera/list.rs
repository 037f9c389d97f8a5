//! The video devices of this machine.

use super::choose::{AIM, Rates, Sides};
use super::node::{Identity, Node, refused};
use crate::device::shot::Packing;
use crate::error::{Error, Kind, Result};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// What a device is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It gives frames.
    Camera,
    /// It takes frames, which other programs see as a camera.
    Virtual,
    /// Something else: an encoder, a scaler, metadata, a camera whose frames come in several planes.
    Other,
    /// It could not be opened.
    Unknown,
}

/// A size with its rates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SizeReport {
    /// `640x480`, or `16x16 to 1920x1080 in steps of 2x2`.
    pub size: String,
    /// Frames a second, the highest first; the two ends where any rate between them is possible.
    pub rates: Vec<f64>,
    /// Whether any rate between the two is possible.
    pub any_between: bool,
}

/// A format with its sizes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FormatReport {
    /// The four letters.
    pub fourcc: String,
    /// What the driver calls it.
    pub name: String,
    /// Whether it is read (or, of a virtual camera, written) by this program.
    pub known: bool,
    /// The sizes, where the driver tells and the format is known.
    pub sizes: Vec<SizeReport>,
}

/// One video device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceReport {
    /// `/dev/video0`.
    pub device: PathBuf,
    /// What it is for.
    pub role: Role,
    /// Its name.
    pub card: String,
    /// Its driver.
    pub driver: String,
    /// Where it is plugged in.
    pub bus: String,
    /// What it gives or takes.
    pub formats: Vec<FormatReport>,
    /// Why it cannot be used, and what to do about that.
    pub trouble: Option<String>,
}

/// Drivers of sensors without the picture processing behind them; libcamera makes cameras of them.
pub(crate) const RAW_SENSORS: [&str; 4] = ["unicam", "rp1-cfe", "bcm2835-isp", "tegra-video"];

/// The paths of all video devices, by their numbers.
fn paths() -> Vec<PathBuf> {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let number = |path: PathBuf| {
        let number: u32 = path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()?;
        Some((number, path))
    };
    let mut found: Vec<(u32, PathBuf)> = entries.filter_map(|entry| number(entry.path())).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

fn role(identity: &Identity) -> Role {
    if identity.codec() {
        Role::Other
    } else if identity.shows() {
        Role::Virtual
    } else if identity.captures() {
        Role::Camera
    } else {
        Role::Other
    }
}

/// Whether a device may be taken for the first camera. Virtual ones have to be named: while the real one is unplugged, the first would be
/// our own, and would show itself.
fn real(identity: &Identity) -> bool {
    let raw = RAW_SENSORS.contains(&identity.driver.as_str());
    identity.captures() && !identity.codec() && !identity.shows() && !raw
}

/// The first camera that can be opened and offers what is read.
///
/// # Errors
/// Where there is none; with the reason of the first that could not be opened.
pub(super) fn first_camera() -> Result<(PathBuf, Node)> {
    let mut trouble = None;
    for path in paths() {
        let found = Node::open(&path).and_then(|node| Ok((node.identity()?, node)));
        match found {
            Err(error) => {
                trouble.get_or_insert_with(|| refused("cannot open", &path, error));
            }
            Ok((identity, node)) if real(&identity) => {
                let known = node.formats().unwrap_or_default();
                if known.iter().any(|(fourcc, _)| Packing::from_fourcc(*fourcc).is_some()) {
                    return Ok((path, node));
                }
            }
            Ok(_) => {}
        }
    }
    Err(trouble.unwrap_or_else(|| {
        Error::new(Kind::Io, "no camera was found").fix(
            "plug one in; 'upres devices' lists them, virtual ones have to be named, and a Pi's ribbon camera is libcamera:",
        )
    }))
}

/// All video devices.
pub(super) fn devices() -> Vec<DeviceReport> {
    paths().into_iter().map(|path| device(&path)).collect()
}

fn device(path: &Path) -> DeviceReport {
    let opened = Node::open(path).and_then(|node| Ok((node.identity()?, node)));
    let (identity, node) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            return DeviceReport {
                device: path.to_path_buf(),
                role: Role::Unknown,
                card: name(path),
                driver: String::new(),
                bus: String::new(),
                formats: Vec::new(),
                trouble: Some(refused("cannot open", path, error).to_string()),
            };
        }
    };
    let role = role(&identity);
    DeviceReport {
        device: path.to_path_buf(),
        role,
        formats: formats(&node, role),
        trouble: trouble(&node, &identity, role),
        card: identity.card,
        driver: identity.driver,
        bus: identity.bus,
    }
}

/// The name by sysfs, which needs no permission.
fn name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    fs::read_to_string(format!("/sys/class/video4linux/{file}/name")).unwrap_or_default().trim().to_owned()
}

/// What is told of a camera that another program reads.
pub(crate) const BUSY: &str = "another program has it; 'fuser -v' and the device's name tell which";

fn trouble(node: &Node, identity: &Identity, role: Role) -> Option<String> {
    if RAW_SENSORS.contains(&identity.driver.as_str()) {
        Some("a sensor without picture processing: use libcamera: (Pi) or csi: (Jetson)".into())
    } else if role == Role::Camera && node.busy() {
        Some(BUSY.into())
    } else if identity.planes() && !identity.codec() {
        Some("frames in several planes are not read: use pipe: with gst-launch".into())
    } else {
        None
    }
}

fn formats(node: &Node, role: Role) -> Vec<FormatReport> {
    let found = match role {
        Role::Camera => node.formats(),
        Role::Virtual => node.output_formats(),
        Role::Other | Role::Unknown => Ok(Vec::new()),
    };
    let report = |(fourcc, name): ([u8; 4], String)| {
        let known = Packing::from_fourcc(fourcc).is_some();
        let sizes = if known && role == Role::Camera { sizes(node, fourcc) } else { Vec::new() };
        FormatReport { fourcc: fourcc.escape_ascii().to_string(), name, known, sizes }
    };
    found.unwrap_or_default().into_iter().map(report).collect()
}

fn sizes(node: &Node, fourcc: [u8; 4]) -> Vec<SizeReport> {
    let report = |offer: super::SizeOffer| {
        let size = match offer.sides {
            Sides::One(size) => size.to_string(),
            Sides::Steps { least, most, step } => format!("{least} to {most} in steps of {step}"),
        };
        let any_between = offer.rates.iter().any(|rates| matches!(rates, Rates::Between(..)));
        let each = offer.rates.iter().flat_map(|&rates| match rates {
            Rates::One(rate) => vec![rate],
            Rates::Between(a, b) => vec![a, b],
        });
        let mut rates: Vec<f64> = each.map(|rate| f64::from(rate.num) / f64::from(rate.den.max(1))).collect();
        rates.sort_by(|a, b| b.total_cmp(a));
        SizeReport { size, rates, any_between }
    };
    node.sizes(fourcc, AIM).into_iter().map(report).collect()
}
