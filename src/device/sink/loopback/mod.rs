//! The virtual camera: frames into a device that other programs see as a camera (`v4l2loopback`, or any V4L2 output).

mod convert;

use super::Sink;
use crate::device::shot::Shown;
use crate::device::source::camera::node::{Given, Node, refused};
use crate::error::{Error, Kind, Result};
use crate::geometry::Size;
use convert::{Converter, frame_bytes};
use log::info;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How pixels are packed for the programs that look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoopbackPacking {
    /// Two pixels in four bytes, what every program reads.
    #[default]
    Yuyv,
    /// Luma, then rows of blue and red in turn.
    Nv12,
    /// Luma, blue, red.
    Yu12,
}

/// Which device, and how pixels are packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopbackOptions {
    /// The device.
    pub device: PathBuf,
    /// How pixels are packed.
    pub packing: LoopbackPacking,
}

impl LoopbackPacking {
    /// Its fourcc.
    pub const fn fourcc(self) -> [u8; 4] {
        match self {
            Self::Yuyv => *b"YUYV",
            Self::Nv12 => *b"NV12",
            Self::Yu12 => *b"YU12",
        }
    }

    const fn row_bytes(self, width: usize) -> usize {
        match self {
            Self::Yuyv => 2 * width,
            Self::Nv12 | Self::Yu12 => width,
        }
    }
}

impl fmt::Display for LoopbackPacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.fourcc()))
    }
}

impl FromStr for LoopbackOptions {
    type Err = Error;

    /// Reads `/dev/video2` or `/dev/video2,format=NV12` (or with `?`, as sources have it).
    fn from_str(text: &str) -> Result<Self> {
        let fix = "write /dev/video2 or /dev/video2,format=NV12; YUYV, NV12 and YU12 are written";
        let refuse = |what: String| Error::usage(what).fix(fix);
        let (device, wish) = text.split_once(['?', ',']).unwrap_or((text, "format=YUYV"));
        if device.is_empty() {
            return Err(refuse(format!("'{text}' names no device")));
        }
        let name = wish.strip_prefix("format=").map(str::to_ascii_uppercase);
        let all = [LoopbackPacking::Yuyv, LoopbackPacking::Nv12, LoopbackPacking::Yu12];
        let packing = all.into_iter().find(|packing| name.as_deref() == Some(packing.to_string().as_str()));
        let packing = packing.ok_or_else(|| refuse(format!("'{wish}' is no format that is written")))?;
        Ok(Self { device: device.into(), packing })
    }
}

/// How long a device may be busy with the frame before; the frame is dropped then.
const WAIT: Duration = Duration::from_millis(200);

/// A device that takes frames, and what it took.
struct Open {
    node: Node,
    /// Of the pictures for which the device was set.
    picture: Size,
    /// Of the frames: the picture's, sides made even.
    size: Size,
    stride: usize,
    frame: Vec<u8>,
}

/// The virtual camera. The device is opened at the first frame, whose size is known then, and again where the size changes.
pub struct Loopback {
    options: LoopbackOptions,
    open: Option<Open>,
    converter: Converter,
    dropped: u64,
}

/// Stride and bytes of the frames that the driver takes.
///
/// # Errors
/// Where it took something else than was asked for.
fn agreed(path: &Path, packing: LoopbackPacking, size: Size, given: &Given, bytes: usize) -> Result<(usize, usize)> {
    let [width, height] = given.size.map(|side| side as usize);
    if given.fourcc != packing.fourcc() || Size::new(width, height) != size {
        let name = given.fourcc.escape_ascii();
        return Err(Error::new(
            Kind::Io,
            format!("{} takes {name} {width}x{height}, not {packing} {size}", path.display()),
        )
        .fix("close the programs that read it, so that its format can change, or name another format or device"));
    }
    let row = packing.row_bytes(size.width);
    let stride = given.stride as usize;
    if stride > 16 * row.max(4096) || (packing == LoopbackPacking::Yu12 && !stride.is_multiple_of(2)) {
        return Err(Error::new(Kind::Io, format!("{} takes rows of {stride} bytes", path.display())));
    }
    let stride = stride.max(row);
    let least = frame_bytes(packing, size, stride);
    // Drivers may want room behind the frame, but not without end.
    Ok((stride, bytes.clamp(least, 2 * least)))
}

/// Whether this machine's v4l2loopback, up to 0.12.7, takes whoever writes without a word before for someone who never goes away: nobody
/// could write after him (its issue 470).
fn forgets_writers() -> bool {
    let module = Path::new("/sys/module/v4l2loopback");
    module.exists() && old(fs::read_to_string(module.join("version")).unwrap_or_default().trim())
}

/// Whether a version is 0.12.7 or older; those say nothing of their version.
fn old(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) < (0, 12, 8)
}

impl Loopback {
    /// A virtual camera that is opened when its first frame comes.
    pub fn open(options: &LoopbackOptions) -> Self {
        Self { options: options.clone(), open: None, converter: Converter::new(), dropped: 0 }
    }

    /// Frames for which the device was not ready.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn prepare(&self, picture: Size) -> Result<Open> {
        let path = &self.options.device;
        let mut node = Node::open(path).map_err(|error| refused("cannot open", path, error))?;
        let identity = node.identity().map_err(|error| refused("cannot use", path, error))?;
        if !identity.shows() || !identity.writes() {
            return Err(Error::new(Kind::Io, format!("{} takes no frames: {}", path.display(), identity.card)).fix(
                "load the virtual camera, 'sudo modprobe v4l2loopback exclusive_caps=1'; 'upres devices' shows it",
            ));
        }
        let size = Size::new(picture.width & !1, picture.height & !1);
        let packing = self.options.packing;
        let (given, bytes) =
            node.set_output(size, packing.fourcc()).map_err(|error| refused("cannot set", path, error))?;
        if forgets_writers() {
            node.announce().map_err(|error| refused("cannot start", path, error))?;
        }
        let (stride, bytes) = agreed(path, packing, size, &given, bytes)?;
        info!("{}: {} takes {packing} {size}", path.display(), identity.card);
        Ok(Open { node, picture, size, stride, frame: vec![0; bytes] })
    }
}

impl Sink for Loopback {
    fn show(&mut self, shown: &Arc<Shown>) -> Result<()> {
        let picture = &shown.large;
        let size = picture.header.size;
        // Closed on every way out but the good one; and before it is opened anew, since some drivers change nothing while a
        // second descriptor is open.
        let mut open = match self.open.take().filter(|open| open.picture == size) {
            Some(open) => open,
            None => self.prepare(size)?,
        };
        if !self.converter.run(picture, self.options.packing, open.size, open.stride, &mut open.frame) {
            return Err(Error::internal(format!("a picture of {size} came without its bytes")));
        }
        let path = &self.options.device;
        if !open.node.write(&open.frame, WAIT).map_err(|error| refused("cannot write to", path, error))? {
            self.dropped += 1;
        }
        self.open = Some(open);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_mistakes_named() {
        let read = |text: &str| text.parse::<LoopbackOptions>().map_err(|error| error.to_string());
        let options = |packing| LoopbackOptions { device: "/dev/video9".into(), packing };
        assert_eq!(read("/dev/video9"), Ok(options(LoopbackPacking::Yuyv)));
        assert_eq!(read("/dev/video9?format=nv12"), Ok(options(LoopbackPacking::Nv12)));
        assert_eq!(read("/dev/video9,format=YU12"), Ok(options(LoopbackPacking::Yu12)));
        for bad in ["", "?format=NV12", "/dev/video9?format=MJPG", "/dev/video9?size=1x1", "/dev/video9?"] {
            assert!(read(bad).is_err_and(|error| error.contains("NV12")), "{bad}");
        }
    }

    fn given(fourcc: [u8; 4], size: [u32; 2], stride: u32) -> Given {
        Given { fourcc, size, stride, range: None, progressive: true }
    }

    #[test]
    fn what_the_driver_took_is_believed_within_reason() {
        let agreed = |given: &Given, bytes| {
            agreed(Path::new("/dev/video9"), LoopbackPacking::Nv12, Size::new(64, 48), given, bytes).ok()
        };
        assert_eq!(agreed(&given(*b"NV12", [64, 48], 64), 4608), Some((64, 4608)));
        assert_eq!(agreed(&given(*b"NV12", [64, 48], 80), 6000), Some((80, 6000)));
        assert_eq!(agreed(&given(*b"NV12", [64, 48], 0), 0), Some((64, 4608)));
        assert_eq!(agreed(&given(*b"NV12", [64, 48], 64), usize::MAX), Some((64, 9216)));
        assert_eq!(agreed(&given(*b"YUYV", [64, 48], 128), 6144), None);
        assert_eq!(agreed(&given(*b"NV12", [64, 46], 64), 4416), None);
        assert_eq!(agreed(&given(*b"NV12", [64, 48], u32::MAX), 4608), None);
    }

    #[test]
    fn old_loopbacks_are_known() {
        for (version, is_old) in
            [("", true), ("0.12.5", true), ("0.12.7", true), ("0.12.8", false), ("0.13.2", false), ("1.0", false)]
        {
            assert_eq!(old(version), is_old, "{version}");
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error_to_try_again() {
        let options = LoopbackOptions { device: "/dev/video-none".into(), packing: LoopbackPacking::Yuyv };
        let error = Loopback::open(&options).prepare(Size::new(64, 48)).err();
        assert!(error.is_some_and(|error| error.kind() == Kind::Io && error.to_string().contains("upres devices")));
    }
}
