//! Where frames come from, in words: `v4l2:/dev/video0`, `rtsp://…`, `file:street.mp4`.

use crate::error::{Error, Result};
use crate::geometry::Size;
use std::fmt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A source by its name. [`fmt::Display`] gives it back without passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceUri {
    /// `v4l2:REST`: a camera with its options, not looked at here.
    Camera(String),
    /// `pipe:` or `-`, the standard input; `pipe:PATH`, a named pipe.
    Pipe(Option<PathBuf>),
    /// `rtsp://`, `rtsps://`, `http://` or `https://`: the whole URL.
    Network(String),
    /// `libcamera:0?size=640x480&rate=30`: a camera of a Raspberry Pi.
    Libcamera(Sensor),
    /// `csi:0?size=1280x720&rate=30`: a camera of a Jetson.
    Csi(Sensor),
    /// `file:PATH`, or the path of something that exists.
    File(PathBuf),
    /// `pattern:REST`: the test card with its options, not looked at here.
    Pattern(String),
}

/// A camera on a board's own connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sensor {
    /// Counted from 0.
    pub camera: u32,
    /// Width and height, 640 × 480 unless told.
    pub size: Size,
    /// Frames a second, 30 unless told; at most 1000.
    pub rate: u32,
}

const SCHEMES: [&str; 4] = ["rtsp", "rtsps", "http", "https"];
const KNOWN: &str = "v4l2:/dev/video0, pipe:, rtsp://…, http://…, libcamera:0, csi:0, file:PATH or pattern:";
/// The longest side that a sensor is asked for.
const MOST_SIDE: usize = 16_384;

impl FromStr for SourceUri {
    type Err = Error;

    /// Reads a source's name. Nothing is opened, but a name without a scheme is looked for among the files.
    ///
    /// # Errors
    /// A usage error where it is none.
    fn from_str(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Self::Pipe(None));
        }
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        if scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.as_str())) {
            return network(text);
        }
        match text.split_once(':') {
            Some(("v4l2", rest)) => Ok(Self::Camera(rest.to_owned())),
            Some(("pattern", rest)) => Ok(Self::Pattern(rest.to_owned())),
            Some(("pipe", "" | "-")) => Ok(Self::Pipe(None)),
            Some(("pipe", path)) => Ok(Self::Pipe(Some(path.into()))),
            Some(("file", "")) => Err(Error::usage("file: names no file").fix("file:PATH")),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("libcamera", rest)) => sensor("libcamera", rest).map(Self::Libcamera),
            Some(("csi", rest)) => sensor("csi", rest).map(Self::Csi),
            _ => existing(text),
        }
    }
}

fn network(text: &str) -> Result<SourceUri> {
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    if authority.is_empty() || authority.starts_with(['/', '?', '#']) {
        return Err(Error::usage(format!("'{}' names no host", shown(text))));
    }
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(Error::usage(format!("'{}' has a blank in it", shown(text))).fix("write %20 for a blank"));
    }
    Ok(SourceUri::Network(text.to_owned()))
}

/// A path of something that is there: a camera, a named pipe or a file.
fn existing(text: &str) -> Result<SourceUri> {
    let path = Path::new(text);
    match std::fs::metadata(path).map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_char_device() => Ok(SourceUri::Camera(text.to_owned())),
        Ok(kind) if kind.is_fifo() => Ok(SourceUri::Pipe(Some(path.to_path_buf()))),
        Ok(_) => Ok(SourceUri::File(path.to_path_buf())),
        Err(_) => Err(Error::usage(format!("'{}' is no source, and no file of this name is there", shown(text)))
            .fix(format!("sources are {KNOWN}"))),
    }
}

fn sensor(scheme: &str, text: &str) -> Result<Sensor> {
    let wrong = |what: String| Error::usage(what).fix(format!("{scheme}:0?size=640x480&rate=30"));
    let (camera, query) = text.split_once('?').unwrap_or((text, ""));
    let number = |text: &str| text.parse().ok().filter(|&n: &u32| n <= 1000);
    let camera = if camera.is_empty() { Some(0) } else { number(camera) };
    let camera = camera.ok_or_else(|| wrong(format!("'{scheme}:{text}' does not number a camera")))?;
    let mut sensor = Sensor { camera, size: Size::new(640, 480), rate: 30 };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("size", value)) => {
                let size = value.parse().ok().filter(|size: &Size| size.width.max(size.height) <= MOST_SIDE);
                sensor.size = size.ok_or_else(|| wrong(format!("'{value}' is no size")))?;
            }
            Some(("rate", value)) => {
                let rate = number(value).filter(|&rate| rate > 0);
                sensor.rate = rate.ok_or_else(|| wrong(format!("'{value}' is no rate from 1 to 1000")))?;
            }
            _ => return Err(wrong(format!("'{pair}' is no option of {scheme}:"))),
        }
    }
    Ok(sensor)
}

impl fmt::Display for Sensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}?size={}&rate={}", self.camera, self.size, self.rate)
    }
}

impl fmt::Display for SourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Camera(rest) => write!(f, "v4l2:{rest}"),
            Self::Pipe(None) => f.write_str("pipe:"),
            Self::Pipe(Some(path)) => write!(f, "pipe:{}", path.display()),
            Self::Network(url) => f.write_str(&shown(url)),
            Self::Libcamera(sensor) => write!(f, "libcamera:{sensor}"),
            Self::Csi(sensor) => write!(f, "csi:{sensor}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Pattern(rest) => write!(f, "pattern:{rest}"),
        }
    }
}

/// What stands behind the `://` of one URL, without what is secret in it.
fn without_secrets(url: &str) -> String {
    // A password may hold anything that its owner did not think to escape, so all up to the last @ counts as one.
    let url = url.rsplit_once('@').map_or(url, |(_, host)| host);
    url.split_once('?').map_or_else(|| url.to_owned(), |(path, _)| format!("{path}?…"))
}

/// `text`, the whole of which is one URL whatever stands in it, without what is secret; itself where it is none.
pub fn shown(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", without_secrets(rest)),
        None => text.to_owned(),
    }
}

/// `text` with what is secret left out of every URL in it: user, password, and what stands behind a question mark.
pub fn redact(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let (url, behind) = after.split_at(after.find(ends).unwrap_or(after.len()));
        out.push_str(&without_secrets(url));
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
