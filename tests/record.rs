//! Recordings, read by somebody else: ffmpeg finds every frame at its time, of files that were ended and of files that were
//! cut off. Says that it was skipped where there is no ffmpeg.
#![cfg(feature = "device")]
#![allow(clippy::unwrap_used)]

mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use upres::device::shot::{Picture, Shown};
use upres::device::sink::Sink;
use upres::device::sink::record::{Container, RecordOptions, Recorder};
use upres::geometry::Size;
use upres::y4m::{Chroma, Header, Range, Ratio, Siting};

const WIDTH: usize = 64;
const HEIGHT: usize = 48;

fn ffmpeg_is_here() -> bool {
    let here = ["ffmpeg", "ffprobe"].iter().all(|program| Command::new(program).arg("-version").output().is_ok());
    if !here {
        skip::skip("no ffmpeg and ffprobe on this machine");
    }
    here
}

fn brightness(number: usize) -> u8 {
    (16 + number * 11 % 220) as u8
}

fn frame(number: usize, ms: u64) -> Arc<Shown> {
    let header = Header {
        size: Size::new(WIDTH, HEIGHT),
        chroma: Chroma::C420(Siting::Left),
        bits: 8,
        rate: Some(Ratio { num: 25, den: 1 }),
        aspect: None,
        range: Some(Range::Full),
        comments: Vec::new(),
    };
    let mut bytes = vec![128; header.frame_bytes()];
    bytes[..WIDTH * HEIGHT].fill(brightness(number));
    let picture = Picture { header, bytes };
    let taken = Duration::from_millis(1_000_000 + ms);
    Arc::new(Shown { number: number as u64, taken, done: taken, small: picture.clone(), large: picture })
}

/// Times that jump about as a camera's do in the dusk.
fn times(count: usize) -> Vec<u64> {
    (0..count as u64).map(|n| n * 40 + n * n % 17 + if n > 60 { 2500 } else { 0 }).collect()
}

/// Records frames, and leaves the recorder to the caller.
fn record(folder: &Path, container: Container, times: &[u64]) -> (Recorder, PathBuf) {
    let options = RecordOptions { container, quality: 95, ..RecordOptions::new(folder.to_path_buf()) };
    let mut recorder = Recorder::open(&options).unwrap();
    for (number, &ms) in times.iter().enumerate() {
        recorder.show(&frame(number, ms)).unwrap();
    }
    let path = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    (recorder, path)
}

/// The one file in `folder`.
fn only(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn ffprobe(path: &Path, entries: &str) -> String {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-select_streams", "v:0", "-show_entries", entries, "-of", "csv=p=0"]).arg(path);
    let output = ffprobe.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", path.display());
    String::from_utf8(output.stdout).unwrap().trim().trim_end_matches(',').to_owned()
}

/// The middle of every frame that ffmpeg can decode.
fn decoded(path: &Path) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "quiet", "-i"]).arg(path);
    ffmpeg.args(["-vf", "extractplanes=y", "-vsync", "passthrough", "-f", "rawvideo", "-"]);
    let luma = ffmpeg.output().unwrap().stdout;
    assert!(luma.len().is_multiple_of(WIDTH * HEIGHT));
    luma.chunks_exact(WIDTH * HEIGHT).map(|frame| frame[WIDTH * HEIGHT / 2 + WIDTH / 2]).collect()
}

fn assert_frames(found: &[u8], path: &Path) {
    for (number, &luma) in found.iter().enumerate() {
        assert!(luma.abs_diff(brightness(number)) <= 2, "{}: frame {number} is {luma}", path.display());
    }
}

#[test]
fn every_frame_is_found_at_its_time() {
    if !ffmpeg_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let times = times(100);
    drop(record(folder.path(), Container::Mkv, &times));
    let path = only(folder.path());
    assert!(path.extension().is_some_and(|ending| ending == "mkv"));
    let found = decoded(&path);
    assert_eq!(found.len(), 100);
    assert_frames(&found, &path);
    let stamps = ffprobe(&path, "packet=pts_time");
    let stamps = stamps.lines().map(|line| line.trim_end_matches(',').parse::<f64>().unwrap());
    let wanted: Vec<f64> = times.iter().map(|&ms| ms as f64 / 1000.0).collect();
    assert_eq!(stamps.collect::<Vec<_>>(), wanted);
    let what = ffprobe(&path, "stream=codec_name,width,height,pix_fmt,color_range,color_space");
    assert_eq!(what, "mjpeg,64,48,yuvj420p,pc,bt470bg");
    let duration: f64 = ffprobe(&path, "format=duration").parse().unwrap();
    let last = times[99] as f64 / 1000.0;
    assert!(duration > last && duration < last + 0.1, "{duration} s, the last frame at {last} s");
    // The index leads to the middle of the file.
    let mut seek = Command::new("ffmpeg");
    seek.args(["-nostdin", "-v", "error", "-ss", "5.3", "-i"]).arg(&path);
    let output = seek.args(["-frames:v", "1", "-vf", "extractplanes=y", "-f", "rawvideo", "-"]).output().unwrap();
    let number = times.iter().position(|&ms| ms >= 5300).unwrap();
    assert!(output.stdout[100].abs_diff(brightness(number)) <= 2, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_file_cut_anywhere_plays_to_its_last_whole_cluster() {
    if !ffmpeg_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (recorder, part) = record(folder.path(), Container::Mkv, &times(100));
    let left = fs::read(&part).unwrap();
    drop(recorder);
    let clusters: Vec<usize> =
        left.windows(4).enumerate().filter(|(_, id)| *id == [0x1f, 0x43, 0xb6, 0x75]).map(|(at, _)| at).collect();
    let blocks = |end: usize| left[..end].windows(4).filter(|bytes| bytes == b"\xff\xd8\xff\xe0").count();
    assert!(clusters.len() >= 4 && blocks(left.len()) >= 75, "{} clusters", clusters.len());
    let cuts = clusters.windows(2).flat_map(|pair| {
        let long = pair[1] - pair[0];
        [pair[0], pair[0] + 2, pair[0] + 9, pair[0] + long / 3, pair[1] - 1]
    });
    for cut in cuts.chain([left.len()]) {
        let path = folder.path().join("cut.mkv");
        fs::write(&path, &left[..cut]).unwrap();
        let whole = clusters.iter().copied().chain([left.len()]).filter(|&end| end <= cut).max().map_or(0, blocks);
        let found = decoded(&path);
        assert!(found.len() >= whole, "cut at {cut}: {} of {whole} frames", found.len());
        // What is beyond the last whole cluster may be half a picture.
        assert_frames(&found[..whole], &path);
    }
}

#[test]
fn a_file_left_behind_plays_under_its_name() {
    if !ffmpeg_is_here() {
        return;
    }
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (recorder, part) = record(folder.path(), Container::Mkv, &times(60));
    fs::copy(&part, other.path().join(part.file_name().unwrap())).unwrap();
    drop(recorder);
    drop(Recorder::open(&RecordOptions::new(other.path().to_path_buf())).unwrap());
    let path = only(other.path());
    assert_eq!(path.file_name(), only(folder.path()).file_name());
    let found = decoded(&path);
    assert!(found.len() >= 50, "{} frames", found.len());
    assert_frames(&found, &path);
}

#[test]
fn y4m_is_read_too() {
    if !ffmpeg_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    drop(record(folder.path(), Container::Y4m, &times(20)));
    let path = only(folder.path());
    assert!(path.extension().is_some_and(|ending| ending == "y4m"));
    let found = decoded(&path);
    assert_eq!(found, (0..20).map(brightness).collect::<Vec<_>>());
}
