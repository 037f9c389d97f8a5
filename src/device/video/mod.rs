//! Whole videos by the ffmpeg of this machine: decoded once through a pipe, enlarged, encoded in segments, joined.
//!
//! ```text
//! ffmpeg (decodes) ─Y4M─▶ Enlarger ─Y4M─▶ ffmpeg (encodes) ─▶ segment-00000.nut, segment-00001.nut, …
//!                                                             └─ joined, with the source's sound ─▶ output
//! ```
//! Segments are cut by counting frames, so that none is lost or doubled between two of them; each is whole or not there.
//! A run that finds segments of an earlier one skips as many decoded frames as they hold.

mod encode;
mod mux;
mod probe;
mod segments;
mod timing;
pub(in crate::device) mod tools;
mod work;

pub use encode::EncoderOptions;
pub use tools::Tools;

use super::stream::{End, Enlarger, StreamOptions, pump};
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::y4m::{Chroma, Header, Reader};
use encode::{Encoding, misfits};
use probe::{Source, probe};
use segments::Segments;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::{ChildStdout, Stdio};
use std::time::Duration;
use timing::Timing;
use tools::{LOCAL_ONLY, Running, url};
use work::{Work, file_digest, key};

/// The most frames of a segment whose times vary: each is a term of a filter.
const MOST_VARIABLE: u64 = 1000;

/// What is to be made of which video, and how.
#[derive(Clone)]
pub struct VideoOptions {
    /// The video.
    pub input: PathBuf,
    /// What is to be written; its ending chooses the container.
    pub output: PathBuf,
    /// How frames are enlarged.
    pub stream: StreamOptions,
    /// How they are encoded.
    pub encoder: EncoderOptions,
    /// How much of the video may be lost by a kill.
    pub segment: Duration,
    /// Leaves the segments where they are at the end.
    pub keep_segments: bool,
    /// Replaces an output that is there already.
    pub overwrite: bool,
    /// Leaves streams out that the output's container cannot hold, instead of refusing.
    pub drop_unsupported: bool,
}

/// What a run begins with.
#[derive(Debug, Clone)]
pub struct Begin {
    /// Frames of the video.
    pub frames: u64,
    /// Those that an earlier run has finished.
    pub done: u64,
    /// What the reader should know: streams left out, fields joined, segments of other options.
    pub notes: Vec<String>,
    /// Where the segments are.
    pub folder: PathBuf,
}

/// What a run has made.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Frames of the output.
    pub frames: u64,
    /// Those that an earlier run had finished.
    pub reused: u64,
    /// How it ended; where not [`End::Finished`], finished segments are kept for the next run.
    pub end: End,
}

/// Enlarges a video; one unit of progress is one frame. `begin` is told what is known before the work.
///
/// # Errors
/// A usage error where output and input are one, the output is there already, or the container cannot hold a stream of
/// the source; an input error where the video cannot be decoded; the generator's errors; an I/O error.
pub fn run(
    tools: &Tools,
    options: &VideoOptions,
    begin: impl FnOnce(&Begin),
    progress: &dyn Progress,
) -> Result<Summary> {
    check_paths(options)?;
    let mut source = probe(tools, &options.input)?;
    let encoding = Encoding::new(options, &source.video, matches!(source.timing, Timing::Constant(_)))?;
    let segment = segment_frames(&source.timing, options.segment);
    let mut work = Work::open(&options.output, &run_key(tools, options, &encoding, segment)?)?;
    let mut notes = notes(&source, &work, options);
    notes.extend(check_container(tools, options, &mut source, &work)?);
    let reused = work.frames();
    begin(&Begin { frames: source.frames, done: reused, notes, folder: work.folder().to_path_buf() });
    if !work.is_complete() {
        let job = Job { tools, options, source: &source, encoding: &encoding };
        let end = job.enlarge(&mut work, segment, progress)?;
        if end != End::Finished {
            return Ok(Summary { frames: work.frames(), reused, end });
        }
        work.complete()?;
    }
    let frames = work.frames();
    if frames == 0 {
        return Err(Error::input(format!("{} has no frame that could be decoded", options.input.display())));
    }
    mux::mux(tools, &work, &source, options, encoding.tag)?;
    if !options.keep_segments {
        for folder in work.stale(&options.output) {
            fs::remove_dir_all(&folder).map_err(|e| Error::io("cannot remove", &folder, e))?;
        }
        work.remove()?;
    }
    Ok(Summary { frames, reused, end: End::Finished })
}

fn check_paths(options: &VideoOptions) -> Result<()> {
    let (input, output) = (&options.input, &options.output);
    let real = fs::canonicalize(input).map_err(|e| Error::io("cannot read", input, e))?;
    if !real.is_file() {
        return Err(Error::usage(format!("{} is no file", input.display())).fix("for pipes see upres upscale - -o -"));
    }
    match fs::canonicalize(output) {
        Ok(there) if there == real => {
            Err(Error::usage("the output would replace its own input").fix("choose another name with -o"))
        }
        Ok(there) if there.is_dir() => {
            Err(Error::usage(format!("{} is a folder", output.display())).fix("name a file"))
        }
        Ok(_) if !options.overwrite => {
            Err(Error::usage(format!("{} is there already", output.display())).fix("replace it with --overwrite"))
        }
        _ => Ok(()),
    }
}

/// Frames of a segment.
fn segment_frames(timing: &Timing, length: Duration) -> u64 {
    let rate = timing.rate();
    let frames = (length.as_secs_f64() * f64::from(rate.num) / f64::from(rate.den)).round().max(1.0) as u64;
    if matches!(timing, Timing::Variable(..)) { frames.min(MOST_VARIABLE) } else { frames }
}

/// The digest of all that the segments depend on.
fn run_key(tools: &Tools, options: &VideoOptions, encoding: &Encoding, segment: u64) -> Result<String> {
    let stream = &options.stream;
    key(&json!({
        "program": env!("CARGO_PKG_VERSION"),
        "ffmpeg": tools.version(),
        "input": file_digest(&options.input)?,
        "model": stream.generator.card(),
        "scale": stream.scale,
        "range": format!("{:?} {:?}", stream.range, stream.matrix),
        "encoding": encoding,
        "segment": segment,
    }))
}

fn notes(source: &Source, work: &Work, options: &VideoOptions) -> Vec<String> {
    let mut notes: Vec<String> = source
        .left_out
        .iter()
        .map(|stream| format!("{stream} is left out: only one picture, sound, subtitles and attachments are kept"))
        .collect();
    if source.video.is_interlaced() {
        notes.push("the video is interlaced: its fields are joined to whole frames (bwdif)".to_owned());
    }
    if source.video.piped_format().1 {
        notes.push("the video's transparency is left out".to_owned());
    }
    let stale = work.stale(&options.output);
    notes.extend(
        stale
            .iter()
            .map(|folder| format!("{} holds segments made with other options; they are not used", folder.display())),
    );
    notes
}

/// Tries whether the output's container takes the other streams; gives notes on those left out.
fn check_container(tools: &Tools, options: &VideoOptions, source: &mut Source, work: &Work) -> Result<Vec<String>> {
    let trial = work.scratch("trial").with_extension(options.output.extension().unwrap_or_default());
    let misfits = misfits(tools, &options.input, &source.others, &trial)?;
    let names: Vec<String> = misfits
        .iter()
        .map(|stream| format!("stream {} ({} {})", stream.index, stream.codec_type, stream.codec_name))
        .collect();
    let indices: Vec<u32> = misfits.iter().map(|stream| stream.index).collect();
    // Gone already where ffmpeg refused before it wrote.
    let _ = fs::remove_file(&trial);
    if !names.is_empty() && !options.drop_unsupported {
        let output = options.output.display();
        return Err(Error::usage(format!("{output} cannot hold {} of the video", names.join(", ")))
            .fix("name the output .mkv, which holds everything, or leave it out with --drop-unsupported"));
    }
    source.others.retain(|stream| !indices.contains(&stream.index));
    Ok(names.iter().map(|name| format!("{name} is left out: the output's container cannot hold it")).collect())
}

/// The part between the pipes.
struct Job<'a> {
    tools: &'a Tools,
    options: &'a VideoOptions,
    source: &'a Source,
    encoding: &'a Encoding,
}

impl Job<'_> {
    /// Decodes, enlarges and encodes what the finished segments do not hold.
    fn enlarge(&self, work: &mut Work, segment: u64, progress: &dyn Progress) -> Result<End> {
        let skipped = work.frames();
        let mut decoder = self.decoder(work, skipped)?;
        let mut reader = match Reader::new(decoder.stdout()?) {
            Ok(reader) => reader,
            // Its own complaint says more than the empty pipe; none means that all frames were skipped.
            Err(error) => {
                decoder.finish()?;
                return if skipped > 0 { Ok(End::Finished) } else { Err(error) };
            }
        };
        let header = self.header(&reader);
        let stream = StreamOptions {
            matrix: self.options.stream.matrix.or(self.source.video.matrix()),
            ..self.options.stream.clone()
        };
        let mut enlarger = Enlarger::new(&header, &stream)?;
        let trial = work.scratch("trial").with_extension(self.options.output.extension().unwrap_or_default());
        self.encoding.trial(self.tools, enlarger.output(), &trial)?;
        // Gone already where ffmpeg refused before it wrote.
        let _ = fs::remove_file(&trial);
        let output = enlarger.output().clone();
        let mut segments = Segments::new(self.tools, self.encoding, &self.source.timing, output, segment, work);
        let end = pump(|frame| reader.next_frame(frame), &mut enlarger, |frame| segments.push(frame), progress)?;
        if end == End::Closed {
            return Err(segments.broken());
        }
        drop(reader);
        if end == End::Finished {
            decoder.finish().map_err(|error| error.at(self.options.input.display()))?;
        }
        // A shorter segment is as good, so that a stop loses nothing.
        segments.finish()?;
        Ok(end)
    }

    /// An ffmpeg that writes all frames from number `skipped` on, upright and progressive.
    fn decoder(&self, work: &Work, skipped: u64) -> Result<Running> {
        let video = &self.source.video;
        let mut filters = Vec::new();
        if video.is_interlaced() {
            filters.push("bwdif=mode=send_frame:deint=all,setfield=prog".to_owned());
        }
        if skipped > 0 {
            filters.push(format!("select=gte(n\\,{skipped})"));
        }
        let mut command = self.tools.ffmpeg();
        command.args(LOCAL_ONLY).arg("-i").arg(url(&self.options.input)?);
        command.args(["-map", &format!("0:{}", video.index)]).args(self.tools.every_frame());
        if !filters.is_empty() {
            command.args(["-vf", &filters.join(",")]);
        }
        command.args(["-pix_fmt", &video.piped_format().0, "-strict", "-1", "-f", "yuv4mpegpipe", "pipe:1"]);
        Running::start(command.stdout(Stdio::piped()), "decode the video", work.scratch("decoder.log"))
    }

    /// The decoder's header with what Y4M cannot say or the file knows better.
    fn header(&self, reader: &Reader<ChildStdout>) -> Header {
        let mut header = reader.header().clone();
        header.rate = Some(self.source.timing.rate());
        header.range = self.source.video.range().or(header.range);
        if let (Chroma::C420(_), Some(siting)) = (header.chroma, self.source.video.siting()) {
            header.chroma = Chroma::C420(siting);
        }
        header
    }
}

/// A broken pipe to an encoder: it ended before its input did.
fn encoder_gone() -> Error {
    Error::new(Kind::Input, "the encoder ended before the video did")
}
