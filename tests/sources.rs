//! Live sources against the real thing: what ffmpeg writes into pipes and serves is read, frame by frame.
//! Says that it was skipped where there is no ffmpeg.
#![cfg(feature = "device")]
#![allow(clippy::unwrap_used)]

mod skip;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use upres::codec::frames::JpegDecoder;
use upres::device::shot::{Packing, Shot};
use upres::device::source::launch::{Programs, open};
use upres::device::source::pipe::Pipe;
use upres::device::source::{Next, Source};

fn ffmpeg_is_here() -> bool {
    let here = Command::new("ffmpeg").arg("-version").output().is_ok();
    if !here {
        skip::skip("no ffmpeg on this machine");
    }
    here
}

/// An ffmpeg that makes `frames` of a moving picture of 160 × 120.
fn picture(frames: usize, arguments: &str) -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25"]);
    ffmpeg.args(["-frames:v", &frames.to_string()]).args(arguments.split_whitespace());
    ffmpeg
}

fn piped(frames: usize, arguments: &str) -> (Pipe, Child) {
    let mut child = picture(frames, arguments).arg("-").stdout(Stdio::piped()).spawn().unwrap();
    (Pipe::new(child.stdout.take().unwrap().into()), child)
}

/// All frames until the end, or `most`.
fn frames(source: &mut dyn Source, most: usize) -> Vec<Shot> {
    let (mut shots, mut shot) = (Vec::new(), Shot::empty());
    while shots.len() < most {
        match source.next(&mut shot).unwrap() {
            Next::Frame => shots.push(shot.clone()),
            Next::Nothing => {}
            Next::End => break,
        }
    }
    shots
}

#[test]
fn motion_jpeg_comes_whole_bare_and_in_parts() {
    if !ffmpeg_is_here() {
        return;
    }
    // Quality 1 gives large pictures with many stuffed bytes; restart markers and several tables as encoders differ.
    for arguments in
        ["-c:v mjpeg -q:v 1 -f mjpeg", "-c:v mjpeg -q:v 9 -threads 2 -f mpjpeg", "-c:v mjpeg -huffman optimal -f mjpeg"]
    {
        let (mut source, mut child) = piped(50, arguments);
        let shots = frames(&mut source, usize::MAX);
        assert!(child.wait().unwrap().success());
        assert_eq!(shots.len(), 50, "{arguments}");
        let (mut decoder, mut planar) = (JpegDecoder::default(), Vec::new());
        for (number, shot) in shots.iter().enumerate() {
            assert_eq!((shot.number, shot.format.packing), (number as u64, Packing::Jpeg));
            let header = decoder.decode(&shot.bytes, 1 << 20, &mut planar).unwrap();
            assert_eq!((header.size, header.size.width), (shot.format.size, 160));
        }
        assert!(shots.windows(2).all(|pair| pair[0].bytes != pair[1].bytes), "a frame came twice");
    }
}

#[test]
fn y4m_comes_as_it_was_sent() {
    if !ffmpeg_is_here() {
        return;
    }
    for (format, bytes) in [("yuv420p", 28_800), ("yuv422p", 38_400), ("yuv444p", 57_600), ("gray", 19_200)] {
        let (mut source, mut child) = piped(20, &format!("-pix_fmt {format} -strict -1 -f yuv4mpegpipe"));
        let shots = frames(&mut source, usize::MAX);
        assert!(child.wait().unwrap().success());
        let raw = picture(20, &format!("-pix_fmt {format} -f rawvideo")).arg("-").output().unwrap().stdout;
        assert_eq!(raw.len(), 20 * bytes);
        assert!(shots.iter().map(|shot| shot.bytes.as_slice()).eq(raw.chunks(bytes)), "{format}");
    }
}

#[test]
fn a_server_of_jpegs_is_read_and_its_end_is_told() {
    if !ffmpeg_is_here() {
        return;
    }
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut serve = Command::new("ffmpeg");
    serve.args(["-nostdin", "-v", "quiet", "-re", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25", "-t", "3"]);
    serve.args(["-c:v", "mjpeg", "-f", "mpjpeg", "-content_type", "multipart/x-mixed-replace;boundary=ffmpeg"]);
    let url = format!("http://127.0.0.1:{port}/video");
    let mut server = serve.args(["-listen", "1", &url]).spawn().unwrap();
    let begun = Instant::now();
    let (mut shot, uri) = (Shot::empty(), url.parse().unwrap());
    // It may take a moment until somebody listens.
    let mut source = loop {
        let mut source = open(&uri, &Programs::default()).unwrap().unwrap();
        match source.next(&mut shot) {
            Ok(Next::Frame) => break source,
            Ok(_) if frames(source.as_mut(), 1).len() == 1 => break source,
            _ => assert!(begun.elapsed() < Duration::from_secs(60), "nobody serves"),
        }
    };
    let mut count = 1;
    let error = loop {
        match source.next(&mut shot) {
            Ok(next) => count += usize::from(next == Next::Frame),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.starts_with("ffmpeg ended"), "{error}");
    assert!((20..=75).contains(&count), "{count} frames of 75");
    assert_eq!((shot.format.size.width, shot.bytes.len()), (160, 28_800));
    server.kill().unwrap();
    server.wait().unwrap();
}
