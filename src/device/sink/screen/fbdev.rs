//! A framebuffer device: its shape from sysfs, its pixels by plain writes, so that nothing here is unsafe.

use super::Display;
use super::turned::Turned;
use crate::error::{Error, Result};
use crate::geometry::Size;
use std::fs::{File, OpenOptions, read_to_string};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How the pixels of a framebuffer lie in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Geometry {
    /// What is seen.
    size: Size,
    /// Bits a pixel: 16 (RGB565) or 32 (XRGB8888).
    bits: usize,
    /// Bytes from one row to the next.
    stride: usize,
    /// The byte of the first pixel that is seen.
    begin: usize,
}

/// A framebuffer that is being written to.
pub(super) struct Framebuffer {
    path: PathBuf,
    /// Its folder in sysfs.
    about: PathBuf,
    file: File,
    geometry: Geometry,
    /// A frame's bytes; memory that goes round.
    bytes: Vec<u8>,
    cursor: Option<Cursor>,
}

/// The text console's cursor, which would blink in the picture: stopped until this is dropped.
struct Cursor(String);

const CURSOR: &str = "/sys/class/graphics/fbcon/cursor_blink";

impl Cursor {
    fn stop() -> Option<Self> {
        let before = read_to_string(CURSOR).ok()?;
        std::fs::write(CURSOR, "0").ok()?;
        Some(Self(before))
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let _ = std::fs::write(CURSOR, self.0.trim());
    }
}

/// The framebuffers of this machine, in order.
pub(super) fn framebuffers() -> Vec<PathBuf> {
    (0..8).map(|number| PathBuf::from(format!("/dev/fb{number}"))).filter(|path| path.exists()).collect()
}

impl Framebuffer {
    /// Opens `/dev/fbN`.
    ///
    /// # Errors
    /// Where there is none, it may not be written, or its pixels are of a kind that is not known.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.file_name().ok_or_else(|| Error::usage(format!("{} is no framebuffer", path.display())))?;
        let about = Path::new("/sys/class/graphics").join(name);
        let file = OpenOptions::new().write(true).open(path).map_err(|e| super::refused(path, e))?;
        let geometry = Geometry::read(path, &about)?;
        // Whoever may not, sees what is there.
        let _ = std::fs::write(about.join("blank"), "0");
        let bytes = vec![0; geometry.size.height * geometry.stride];
        Ok(Self { path: path.to_owned(), about, file, geometry, bytes, cursor: Cursor::stop() })
    }
}

impl Geometry {
    fn read(path: &Path, about: &Path) -> Result<Self> {
        let text = |name: &str| read_to_string(about.join(name));
        let known = |name| text(name).map_err(|e| Error::io("cannot read the shape of the framebuffer from", about, e));
        let [bits, stride, size] = [known("bits_per_pixel")?, known("stride")?, known("virtual_size")?];
        let shown = [text("mode"), text("modes")].into_iter().flatten().collect::<String>();
        let pan = text("pan").unwrap_or_default();
        Self::parse([&bits, &stride, &size, &shown, &pan]).ok_or_else(|| {
            let bits = bits.trim();
            Error::input(format!("the pixels of {} ({bits} bits) are of a kind that is not known", path.display()))
                .fix("16 and 32 bits are: fbset -depth 32")
        })
    }

    /// From what sysfs says: bits, stride, virtual size, modes (`U:1280x800p-0`), offset of what is seen.
    fn parse([bits, stride, whole, modes, pan]: [&str; 5]) -> Option<Self> {
        let pair = |text: &str, between: char| {
            let (width, height) = text.trim().split_once(between)?;
            Some((width.parse::<usize>().ok()?, height.parse::<usize>().ok()?))
        };
        let (width, height) = pair(whole, ',')?;
        let shown = modes.lines().find_map(|mode| {
            let (_, size) = mode.split_once(':')?;
            pair(size.split(['p', 'i', 'd', '-']).next()?, 'x')
        });
        let (across, down) = shown.unwrap_or((width, height));
        let size = Size::new(across.min(width), down.min(height));
        let (bits, stride) = (bits.trim().parse().ok()?, stride.trim().parse().ok()?);
        let (left, top) = pair(pan, ',').unwrap_or_default();
        let fits = matches!(bits, 16 | 32) && width.checked_mul(bits / 8)? <= stride && stride <= 1 << 18;
        let seen = left + size.width <= width && top + size.height <= height;
        let (left, top) = if seen { (left, top) } else { (0, 0) };
        let usable = fits && size.area() > 0 && height <= 1 << 16;
        usable.then(|| Self { size, bits, stride, begin: top * stride + left * bits / 8 })
    }

    /// Writes a row of pixels as the framebuffer holds them.
    fn pack(self, row: &[u32], bytes: &mut [u8]) {
        if self.bits == 32 {
            for (to, from) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(row) {
                *to = from.to_ne_bytes();
            }
        } else {
            for (to, &from) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(row) {
                *to = super::rgb565(from).to_ne_bytes();
            }
        }
    }
}

impl Display for Framebuffer {
    fn size(&self) -> Size {
        self.geometry.size
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn present(&mut self, mut picture: Turned<'_>) -> Result<()> {
        let Geometry { size, bits, stride, begin } = self.geometry;
        picture.rows(|y, row| {
            self.geometry.pack(row, self.bytes.get_mut(y * stride..).unwrap_or_default());
            Ok(())
        })?;
        let row = size.width * bits / 8;
        let failed = |e| Error::io("cannot show pictures on", &self.path, e);
        if row == stride {
            return self.file.write_all_at(&self.bytes, begin as u64).map_err(failed);
        }
        for (y, bytes) in self.bytes.chunks_exact(stride).enumerate() {
            self.file.write_all_at(&bytes[..row], (begin + y * stride) as u64).map_err(failed)?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        match Geometry::read(&self.path, &self.about) {
            Ok(geometry) if geometry == self.geometry => Ok(()),
            Ok(geometry) => {
                let message = format!("the screen {} is {} now", self.path.display(), geometry.size);
                Err(Error::new(crate::error::Kind::Io, message))
            }
            Err(error) => Err(error.at("display unplugged")),
        }
    }
}

impl Drop for Framebuffer {
    /// The console paints over the picture as soon as something is typed.
    fn drop(&mut self) {
        self.bytes.fill(0);
        let _ = self.file.write_all_at(&self.bytes, self.geometry.begin as u64);
        self.cursor = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_as_sysfs_writes_them() {
        let parse = Geometry::parse;
        let plain = Geometry { size: Size::new(1280, 800), bits: 32, stride: 5120, begin: 0 };
        assert_eq!(parse(["32\n", "5120\n", "1280,800\n", "U:1280x800p-0\n", "0,0\n"]), Some(plain));
        assert_eq!(parse(["32\n", "5120\n", "1280,800\n", "", ""]), Some(plain));
        // Two frames in memory, the second is seen; rows with padding.
        let second = Geometry { size: Size::new(480, 320), bits: 16, stride: 1024, begin: 320 * 1024 };
        assert_eq!(parse(["16\n", "1024\n", "480,640\n", "U:480x320p-60\n", "0,320\n"]), Some(second));
        for bad in [
            ["24", "3840", "1280,800", "", ""],
            ["32", "5119", "1280,800", "", ""],
            ["32", "5120", "1280", "", ""],
            ["32", "5120", "0,800", "", ""],
            ["", "", "", "", ""],
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn pixels_are_packed_to_16_and_32_bits() {
        let geometry = Geometry { size: Size::new(2, 1), bits: 16, stride: 6, begin: 0 };
        let mut bytes = [0xaa; 6];
        geometry.pack(&[0x00ff_0000, 0x0008_0408], &mut bytes[..4]);
        let halves = [bytes[0], bytes[1], bytes[2], bytes[3]].as_chunks::<2>().0.to_vec();
        assert_eq!(halves.into_iter().map(u16::from_ne_bytes).collect::<Vec<_>>(), [0xf800, 0x0821]);
        Geometry { bits: 32, ..geometry }.pack(&[0x0012_3456], &mut bytes);
        assert_eq!(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]), 0x0012_3456);
    }
}
