//! The encoder's command line, and a trial of it before the long work begins.

use super::VideoOptions;
use super::probe::Stream;
use super::tools::{Tools, output, url};
use crate::error::{Error, Kind, Result};
use crate::y4m::{Header, Writer};
use serde::Serialize;
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// How the enlarged frames are encoded.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EncoderOptions {
    /// Name of one of ffmpeg's encoders; `None` takes libvpx-vp9 for WebM and libx264 otherwise.
    pub name: Option<String>,
    /// Constant quality on the encoder's own scale, smaller is better; `None` leaves it to the encoder.
    pub crf: Option<u32>,
    /// Speed against size, in the encoder's own words.
    pub preset: Option<String>,
    /// Further options, name and value.
    pub extra: Vec<(String, String)>,
}

/// Everything about encoding that is the same for every segment.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Encoding {
    /// Filter that puts the colour tags on frames.
    tags: Option<String>,
    /// Options after the input.
    options: Vec<String>,
    /// How the stream is called in the output's container, where ffmpeg's choice is not the best.
    pub(super) tag: Option<&'static str>,
}

impl Encoding {
    /// What the options and the source's tags mean for ffmpeg.
    ///
    /// # Errors
    /// A usage error where an option's name could not be one.
    pub(super) fn new(options: &VideoOptions, video: &Stream, constant: bool) -> Result<Self> {
        let encoder = &options.encoder;
        let extension = options.output.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let name = encoder.name.as_deref().unwrap_or(if extension == "webm" { "libvpx-vp9" } else { "libx264" });
        let mut list = vec!["-c:v".to_owned(), name.to_owned()];
        let mut add = |option: &str, value: &str| list.extend([format!("-{option}"), value.to_owned()]);
        if let Some(crf) = encoder.crf {
            add("crf", &crf.to_string());
            if name.starts_with("libvpx") || name.starts_with("libaom") {
                add("b:v", "0");
            }
        }
        if let Some(preset) = &encoder.preset {
            add("preset", preset);
        }
        let mp4 = ["mp4", "m4v", "mov"].contains(&extension.as_str());
        // What players of H.265 in MP4 look for; ffmpeg's own choice is hev1.
        let tag = (mp4 && (name.contains("265") || name.starts_with("hevc"))).then_some("hvc1");
        if !constant {
            // Decoding order equals showing order, so that segments of any timing join without overlap.
            add("bf", "0");
        }
        for (option, tag) in
            ["color_range", "colorspace", "color_primaries", "color_trc"].iter().zip(video.colour_tags())
        {
            if let Some(tag) = tag {
                add(option, tag);
            }
        }
        if let Some(place) = video.siting().and(video.chroma_location.as_deref()) {
            add("chroma_sample_location", place);
        }
        for (option, value) in &encoder.extra {
            let plain = |c: u8| c.is_ascii_alphanumeric() || b"_:-".contains(&c);
            if option.is_empty() || option.starts_with('-') || !option.bytes().all(plain) {
                return Err(Error::usage(format!("'{option}' is no option of an encoder")).fix("write NAME=VALUE"));
            }
            add(option, value);
        }
        Ok(Self { tags: tag_filter(video), options: list, tag })
    }

    /// A command that encodes a Y4M stream from its standard input into the file at `target`; `timing` is a filter.
    pub(super) fn command(&self, tools: &Tools, timing: Option<&str>, target: OsString) -> Command {
        let mut command = tools.ffmpeg();
        command.args(["-f", "yuv4mpegpipe", "-i", "pipe:0"]);
        let filters: Vec<&str> = self.tags.as_deref().into_iter().chain(timing).collect();
        if !filters.is_empty() {
            command.args(["-vf", &filters.join(",")]);
        }
        if timing.is_some() {
            command.args(["-enc_time_base", &format!("1:{}", super::timing::TICKS)]);
        }
        command.args(tools.every_frame()).args(&self.options).arg(target).stdin(Stdio::piped());
        command
    }

    /// Encodes one black frame into a file named like the output, so that a wrong option, an absent encoder or a
    /// container that cannot hold it is told before the work and not after it.
    pub(super) fn trial(&self, tools: &Tools, header: &Header, target: &Path) -> Result<()> {
        let size = header.chroma.whole_groups(crate::geometry::Size::new(256, 256));
        let header = Header { size, ..header.clone() };
        let frame = vec![0x10; header.frame_bytes()];
        let mut command = self.command(tools, None, url(target)?);
        let unstarted = |error| Error::new(Kind::Io, "cannot start ffmpeg").caused_by(error);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(unstarted)?;
        if let Some(pipe) = child.stdin.take() {
            match Writer::new(pipe, &header).and_then(|mut writer| writer.write_frame(&frame)) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(unstarted(error)),
                _ => {}
            }
        }
        let ended = child.wait_with_output().map_err(unstarted)?;
        if ended.status.success() {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&ended.stderr);
        let first: Vec<&str> = complaint.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
        Err(Error::usage(format!("this ffmpeg cannot encode that: {}", first.join("; ")))
            .fix("see ffmpeg -encoders, and choose with --encoder, --encoder-option and the output's ending"))
    }
}

/// The source's colour tags as a filter; they get lost in Y4M.
fn tag_filter(video: &Stream) -> Option<String> {
    let names = ["range", "colorspace", "color_primaries", "color_trc"];
    let tags: Vec<String> =
        names.iter().zip(video.colour_tags()).filter_map(|(name, tag)| Some(format!("{name}={}", tag?))).collect();
    (!tags.is_empty()).then(|| format!("setparams={}", tags.join(":")))
}

/// The streams of `others` that the output's container cannot hold, found by trying. `target` is named like the output.
pub(super) fn misfits<'a>(tools: &Tools, input: &Path, others: &'a [Stream], target: &Path) -> Result<Vec<&'a Stream>> {
    let holds = |streams: &[Stream]| -> Result<bool> {
        let mut trial = tools.ffmpeg();
        trial.args(super::tools::LOCAL_ONLY).args(["-t", "0.2", "-i"]).arg(url(input)?);
        for stream in streams {
            trial.args(["-map", &format!("0:{}", stream.index)]);
        }
        trial.args(["-c", "copy"]).arg(url(target)?);
        Ok(output(&mut trial, "try the container").is_ok())
    };
    if others.is_empty() || holds(others)? {
        return Ok(Vec::new());
    }
    let mut misfits = Vec::new();
    for stream in others {
        if !holds(std::slice::from_ref(stream))? {
            misfits.push(stream);
        }
    }
    Ok(misfits)
}

/// Hands a frame to an encoder; `false` where it has gone.
pub(super) fn hand_on(writer: &mut Writer<impl Write>, frame: &[u8]) -> Result<bool> {
    match writer.write_frame(frame) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::new(Kind::Io, "cannot hand frames to the encoder").caused_by(error)),
    }
}
