//! Which kind of file a picture is in, and what its writer may be asked for.

use crate::error::{Error, Result};
use std::path::Path;
use std::str::FromStr;

/// A kind of picture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Portable Network Graphics; also the first frame of an animated one.
    Png,
    /// JPEG, baseline or progressive.
    Jpeg,
    /// WebP, lossy or lossless; the first frame of an animated one.
    WebP,
    /// TIFF or BigTIFF, first page.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// GIF, first frame.
    Gif,
    /// Portable anymap: PBM, PGM, PPM, PAM.
    Pnm,
}

impl Format {
    /// What the first bytes of a file say (16 are enough); `None` for nothing that we read.
    pub fn sniff(start: &[u8]) -> Option<Self> {
        let webp = start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP");
        let pnm = start.len() > 2
            && start[0] == b'P'
            && (b'1'..=b'7').contains(&start[1])
            && (start[2].is_ascii_whitespace() || start[2] == b'#');
        match start {
            _ if start.starts_with(b"\x89PNG\r\n\x1a\n") => Some(Self::Png),
            _ if start.starts_with(b"\xff\xd8\xff") => Some(Self::Jpeg),
            _ if webp => Some(Self::WebP),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            _ if start.starts_with(b"GIF87a") || start.starts_with(b"GIF89a") => Some(Self::Gif),
            _ if start.starts_with(b"BM") => Some(Self::Bmp),
            _ if pnm => Some(Self::Pnm),
            _ => None,
        }
    }

    /// What the extension of `path` promises; `None` for no extension or one that is not a picture's.
    pub fn from_extension(path: &Path) -> Option<Self> {
        Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" | "apng" => Self::Png,
            "jpg" | "jpeg" | "jpe" | "jfif" => Self::Jpeg,
            "webp" => Self::WebP,
            "tif" | "tiff" => Self::Tiff,
            "bmp" | "dib" => Self::Bmp,
            "gif" => Self::Gif,
            "pnm" | "pbm" | "pgm" | "ppm" | "pam" => Self::Pnm,
            _ => return None,
        })
    }

    /// The usual extension, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
            Self::Tiff => "tif",
            Self::Bmp => "bmp",
            Self::Gif => "gif",
            Self::Pnm => "ppm",
        }
    }

    /// Whether we write it.
    pub const fn can_write(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::WebP | Self::Tiff)
    }

    /// The format for an output at `path`: what is asked for, or else what its extension says.
    ///
    /// # Errors
    /// A usage error where neither names a format that we write.
    pub fn for_output(path: &Path, asked: Option<Self>) -> Result<Self> {
        let format = asked.or_else(|| Self::from_extension(path));
        format.filter(|f| f.can_write()).ok_or_else(|| {
            Error::usage(format!("{}: no format to write", path.display()))
                .fix("end the name in .png, .jpg, .webp or .tif, or ask for a format")
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Reads `png`, `jpeg`, `webp`, `tiff` and the other usual extensions.
    fn from_str(text: &str) -> Result<Self> {
        Self::from_extension(&Path::new("x").with_extension(text)).ok_or_else(|| {
            Error::usage(format!("'{text}' is not a picture format")).fix("write png, jpeg, webp or tiff")
        })
    }
}

/// How many chroma samples a JPEG keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsampling {
    /// One for each pixel (4:4:4).
    Full,
    /// One for two pixels side by side (4:2:2).
    Half,
    /// One for four pixels (4:2:0).
    Quarter,
}

impl FromStr for Subsampling {
    type Err = Error;

    /// Reads `4:4:4`, `4:2:2` or `4:2:0`, with or without the colons.
    fn from_str(text: &str) -> Result<Self> {
        match text.replace(':', "").as_str() {
            "444" => Ok(Self::Full),
            "422" => Ok(Self::Half),
            "420" => Ok(Self::Quarter),
            _ => Err(Error::usage(format!("'{text}' is not a chroma subsampling")).fix("write 4:4:4, 4:2:2 or 4:2:0")),
        }
    }
}

/// How a TIFF's strips are packed; all of them lose nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TiffCompression {
    /// Not packed.
    None,
    /// LZW with the horizontal predictor.
    Lzw,
    /// Deflate with the horizontal predictor.
    Deflate,
}

impl FromStr for TiffCompression {
    type Err = Error;

    /// Reads `none`, `lzw` or `deflate`.
    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "lzw" => Ok(Self::Lzw),
            "deflate" => Ok(Self::Deflate),
            _ => Err(Error::usage(format!("'{text}' is not a TIFF compression")).fix("write none, lzw or deflate")),
        }
    }
}

/// What the writers may be asked for. The one place for these defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodeOptions {
    /// The format, where the output's extension is not to decide.
    pub format: Option<Format>,
    /// JPEG quality, 1 to 100.
    pub jpeg_quality: u8,
    /// JPEG chroma subsampling.
    pub jpeg_subsampling: Subsampling,
    /// Quality of lossy WebP, 0 to 100.
    pub webp_quality: u8,
    /// WebP without loss; the quality is then not used.
    pub webp_lossless: bool,
    /// PNG compression, 0 to 9: 0 stores, 1 is very fast, 2 to 9 deflate ever harder.
    pub png_level: u8,
    /// TIFF compression.
    pub tiff_compression: TiffCompression,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            format: None,
            jpeg_quality: 92,
            jpeg_subsampling: Subsampling::Full,
            webp_quality: 90,
            webp_lossless: false,
            png_level: 2, // on photographs within 3 % of level 6 in half the time; level 1 is a third larger
            tiff_compression: TiffCompression::Deflate,
        }
    }
}

impl EncodeOptions {
    /// Whether every number is inside its range.
    ///
    /// # Errors
    /// A usage error that names the number and its range.
    pub fn check(&self) -> Result<()> {
        if !(1..=100).contains(&self.jpeg_quality) {
            return Err(Error::usage(format!("JPEG quality {} is not between 1 and 100", self.jpeg_quality)));
        }
        if self.webp_quality > 100 {
            return Err(Error::usage(format!("WebP quality {} is not between 0 and 100", self.webp_quality)));
        }
        if self.png_level > 9 {
            return Err(Error::usage(format!("PNG level {} is not between 0 and 9", self.png_level)));
        }
        Ok(())
    }
}
