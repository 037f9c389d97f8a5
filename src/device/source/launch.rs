//! Which program is started for which source, with which arguments.

use super::Source;
use super::file::File;
use super::pipe::Pipe;
use super::spawn::{Launch, Spawned};
use super::uri::{Sensor, SourceUri};
use crate::device::video::tools::{every_frame, version};
use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A camera or server that gives nothing for so long is asked anew.
const PATIENCE: Duration = Duration::from_secs(15);

/// The programs of this machine that give frames.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Streams and videos.
    pub ffmpeg: PathBuf,
    /// Cameras of a Raspberry Pi: the first that is there.
    pub rpicam: Vec<PathBuf>,
    /// Cameras of a Jetson.
    pub gst: PathBuf,
}

impl Default for Programs {
    /// Those in the PATH.
    fn default() -> Self {
        let rpicam = vec!["rpicam-vid".into(), "libcamera-vid".into()];
        Self { ffmpeg: "ffmpeg".into(), rpicam, gst: "gst-launch-1.0".into() }
    }
}

/// Opens what is a pipe, a file, or comes from a program; `None` for cameras and patterns, which are opened elsewhere.
///
/// # Errors
/// A usage error where a program is missing or the input is of a kind that is not read, an I/O error where it is not there.
pub fn open(uri: &SourceUri, programs: &Programs) -> Result<Option<Box<dyn Source>>> {
    Ok(Some(match uri {
        SourceUri::Camera(_) | SourceUri::Pattern(_) => return Ok(None),
        SourceUri::Pipe(None) => Box::new(Pipe::stdin()?),
        SourceUri::Pipe(Some(path)) => Box::new(Pipe::open(path)?),
        SourceUri::Network(url) => Box::new(Spawned::start(&network(url, &programs.ffmpeg)?)?),
        SourceUri::Libcamera(sensor) => Box::new(Spawned::start(&libcamera(sensor, &programs.rpicam))?),
        SourceUri::Csi(sensor) => Box::new(Spawned::start(&csi(sensor, &programs.gst))?),
        SourceUri::File(path) if File::is_y4m(path)? => Box::new(File::open(path)?),
        SourceUri::File(path) => Box::new(Spawned::start(&video(path, &programs.ffmpeg)?)?),
    }))
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = OsString> {
    words.into_iter().map(OsString::from).collect::<Vec<_>>().into_iter()
}

/// ffmpeg from `input` to Y4M on its standard output, each frame when it comes.
fn ffmpeg(program: &Path, before: &[&str], input: &OsStr, patience: Option<Duration>) -> Result<Launch> {
    let mut arguments: Vec<OsString> = words(["-hide_banner", "-nostdin", "-v", "error"]).collect();
    arguments.extend(words(before.iter().copied()));
    arguments.extend([OsString::from("-i"), input.to_owned()]);
    arguments.extend(words(["-map", "0:v:0", "-an", "-sn", "-dn"]));
    arguments.extend(words(every_frame(&version(program)?)));
    arguments.extend(words(["-pix_fmt", "yuv420p", "-strict", "-1", "-f", "yuv4mpegpipe", "pipe:1"]));
    let install = "sudo apt install ffmpeg";
    Ok(Launch { programs: vec![program.to_path_buf()], arguments, install, patience })
}

/// A stream of the network. It names no file and no protocol but its own, whatever its server answers.
fn network(url: &str, program: &Path) -> Result<Launch> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    let protocols = match scheme.as_str() {
        "rtsp" => "rtsp,rtp,udp,tcp",
        "rtsps" => "rtsps,rtsp,rtp,srtp,udp,tcp,tls",
        "http" | "https" => "http,https,tcp,tls",
        _ => {
            return Err(
                Error::usage(format!("'{scheme}' is not read")).fix("rtsp://, rtsps://, http:// and https:// are")
            );
        }
    };
    let mut before = vec!["-fflags", "nobuffer", "-flags", "low_delay"];
    before.extend(["-analyzeduration", "1000000", "-probesize", "1000000", "-protocol_whitelist", protocols]);
    if scheme.starts_with("rtsp") {
        before.extend(["-rtsp_flags", "prefer_tcp"]);
    }
    ffmpeg(program, &before, OsStr::new(url), Some(PATIENCE))
}

/// A video of any kind, over and over at its own rate.
fn video(path: &Path, program: &Path) -> Result<Launch> {
    let before = ["-re", "-stream_loop", "-1", "-protocol_whitelist", "file,pipe"];
    ffmpeg(program, &before, &crate::device::video::tools::url(path)?, None)
}

/// A camera of a Raspberry Pi, as JPEGs: unlike raw frames they say where they begin.
fn libcamera(sensor: &Sensor, programs: &[PathBuf]) -> Launch {
    let Sensor { camera, size, rate } = sensor;
    let numbers = [camera.to_string(), size.width.to_string(), size.height.to_string(), rate.to_string()];
    let [camera, width, height, rate] = numbers.each_ref().map(String::as_str);
    let mut arguments: Vec<OsString> =
        words(["--codec", "mjpeg", "--timeout", "0", "--nopreview", "--flush"]).collect();
    arguments.extend(words(["--camera", camera, "--width", width, "--height", height, "--framerate", rate]));
    arguments.extend(words(["--output", "-"]));
    let install = "sudo apt install rpicam-apps-lite; on a machine that is no Raspberry Pi, use v4l2: or pipe:";
    Launch { programs: programs.to_vec(), arguments, install, patience: Some(PATIENCE) }
}

/// A camera of a Jetson.
fn csi(sensor: &Sensor, program: &Path) -> Launch {
    let Sensor { camera, size, rate } = sensor;
    let source = format!("sensor-id={camera}");
    let memory =
        format!("video/x-raw(memory:NVMM),format=NV12,width={},height={},framerate={rate}/1", size.width, size.height);
    let chain = ["-q", "nvarguscamerasrc", &source, "!", &memory, "!", "nvvidconv", "!", "video/x-raw,format=I420"];
    let mut arguments: Vec<OsString> = words(chain).collect();
    arguments.extend(words(["!", "y4menc", "!", "fdsink", "fd=1", "sync=false"]));
    let install = "sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-good nvidia-l4t-gstreamer; csi: is for Jetson boards, \
                   libcamera: for a Raspberry Pi";
    Launch { programs: vec![program.to_path_buf()], arguments, install, patience: Some(PATIENCE) }
}

#[cfg(test)]
mod tests;
