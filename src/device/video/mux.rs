//! The end: segments joined, and what else the source holds put beside them, all without encoding.

use super::VideoOptions;
use super::probe::Source;
use super::timing::Timing;
use super::tools::{LOCAL_ONLY, Tools, output, url};
use super::work::Work;
use crate::error::{Error, Result};
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;

const LIST: &str = "list.ffconcat";

/// The list of segments with how long each is shown.
fn list(work: &Work, timing: &Timing) -> String {
    let mut text = "ffconcat version 1.0\n".to_owned();
    let mut first = 0;
    for segment in work.segments() {
        let seconds = timing.seconds(first + segment.frames) - timing.seconds(first);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "file {}\nduration {seconds:.6}", segment.file);
        first += segment.frames;
    }
    text
}

/// Writes `target` from the finished segments (whose pictures are called `tag` there) and the streams of `input`, and puts
/// it in its place.
///
/// # Errors
/// What ffmpeg complained of; an I/O error.
pub(super) fn mux(
    tools: &Tools,
    work: &Work,
    source: &Source,
    options: &VideoOptions,
    tag: Option<&str>,
) -> Result<()> {
    let (input, target) = (&options.input, &options.output);
    let path = work.folder().join(LIST);
    fs::write(&path, list(work, &source.timing)).map_err(|e| Error::io("cannot write", &path, e))?;
    let scratch = work.scratch("whole").with_extension(target.extension().unwrap_or_default());
    let mut command = tools.ffmpeg();
    command.args(["-itsoffset", &format!("{:.6}", source.start)]).args(LOCAL_ONLY).args(["-f", "concat", "-i"]);
    command.arg(url(&path)?).args(LOCAL_ONLY).arg("-i").arg(url(input)?).args(["-map", "0:v:0"]);
    for stream in &source.others {
        command.args(["-map", &format!("1:{}", stream.index)]);
    }
    if let Some(tag) = tag {
        command.args(["-tag:v:0", tag]);
    }
    command.args(["-c", "copy", "-map_metadata", "1", "-map_chapters", "1"]);
    for key in ["language", "title"] {
        if let Some(value) = source.video.tags.get(key) {
            command.args(["-metadata:s:v:0", &format!("{key}={value}")]);
        }
    }
    let covers = source.others.iter().filter(|stream| stream.is_cover()).count();
    for cover in 1..=covers {
        command.args([&format!("-disposition:v:{cover}"), "attached_pic"]);
    }
    let extension = target.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if ["mp4", "m4v", "mov"].contains(&extension.as_str()) {
        command.args(["-movflags", "+faststart"]);
    }
    output(command.arg(url(&scratch)?), "join the segments")?;
    place(&scratch, target)
}

/// Brings the file to the disk and to its name.
fn place(scratch: &Path, target: &Path) -> Result<()> {
    let cannot = |e| Error::io("cannot write", target, e);
    File::open(scratch).and_then(|file| file.sync_all()).map_err(cannot)?;
    fs::rename(scratch, target).map_err(cannot)?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Not every file system can sync a folder; the rename itself has succeeded.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}
