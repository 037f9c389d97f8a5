//! Y4M through the program's pipes, between the ffmpegs of this machine where there are any.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod program;
mod skip;

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

fn pipe(mut command: Command, arguments: &str, input: Vec<u8>) -> Output {
    command.args(arguments.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut into = child.stdin.take().unwrap();
    // A program that wants no more of its input is no failure of ours.
    let writer = thread::spawn(move || drop(into.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn upres(arguments: &str, input: Vec<u8>) -> Output {
    pipe(program::upres(), arguments, input)
}

fn ffmpeg(arguments: &str, input: Vec<u8>) -> Vec<u8> {
    let output = pipe(Command::new("ffmpeg"), &format!("-v error {arguments} -"), input);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn has_ffmpeg() -> bool {
    let found = Command::new("ffmpeg").arg("-version").output().is_ok();
    if !found {
        skip::skip("no ffmpeg on this machine");
    }
    found
}

/// The stream's header line.
fn header(stream: &[u8]) -> String {
    let end = stream.iter().position(|&c| c == b'\n').unwrap();
    String::from_utf8(stream[..end].to_vec()).unwrap()
}

/// Enlarged and shrunk again by the mean, a stream is nearly itself: luma and chroma of every sampling stay where they were.
#[test]
fn streams_of_every_sampling_go_there_and_back() {
    if !has_ffmpeg() {
        return;
    }
    for format in ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "gray", "yuv420p10le", "yuv444p12le"] {
        let y4m = format!("-pix_fmt {format} -strict -1 -f yuv4mpegpipe");
        let small = ffmpeg(&format!("-f lavfi -i smptebars=size=64x48:rate=30000/1001 -frames:v 5 {y4m}"), Vec::new());
        let large = upres("upscale - -o - --model bicubic --scale 2 --quiet", small.clone());
        assert!(large.status.success(), "{}", String::from_utf8_lossy(&large.stderr));
        let (before, after) = (header(&small), header(&large.stdout));
        assert!(after.contains("W128 H96") && after.contains("F30000:1001"), "{after}");
        let field = |line: &str, letter| line.split(' ').find(|field| field.starts_with(letter)).map(str::to_owned);
        assert_eq!(field(&before, 'C'), field(&after, 'C'));
        assert_eq!(field(&before, 'I'), field(&after, 'I'));
        let raw = |stream, filter: &str| {
            ffmpeg(&format!("-f yuv4mpegpipe -i - {filter} -pix_fmt {format} -f rawvideo"), stream)
        };
        let (before, after) = (raw(small, ""), raw(large.stdout, "-vf scale=64:48:flags=area"));
        assert_eq!(before.len(), after.len(), "{format}: frames are lost");
        if !format.contains('1') {
            let error: u64 = before.iter().zip(&after).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            assert!(
                error < 2 * before.len() as u64,
                "{format}: mean difference {}",
                error as f64 / before.len() as f64
            );
        }
    }
}

#[test]
fn what_is_interlaced_or_cut_is_told_with_a_way_out() {
    let stream = |header: &str, frames: usize| {
        let mut stream = format!("YUV4MPEG2 W4 H2 F25:1 {header}\n").into_bytes();
        (0..frames).for_each(|_| stream.extend(b"FRAME\n012345678901"));
        stream
    };
    let enlarge = |input| upres("upscale - -o - --model bicubic --scale 2", input);
    let interlaced = enlarge(stream("It C420jpeg", 1));
    let text = String::from_utf8_lossy(&interlaced.stderr).into_owned();
    assert!(!interlaced.status.success() && text.contains("bwdif"), "{text}");
    let mut cut = stream("Ip C420jpeg", 3);
    cut.truncate(cut.len() - 2);
    let cut = enlarge(cut);
    let text = String::from_utf8_lossy(&cut.stderr).into_owned();
    assert!(!cut.status.success() && text.contains("frame 3"), "{text}");
    let whole = enlarge(stream("Ip C420jpeg", 2));
    assert!(whole.status.success());
    assert_eq!(cut.stdout, whole.stdout, "the frames before the cut are there, whole");
    let huge = enlarge(b"YUV4MPEG2 W99999 H99999 C444\nFRAME\n".to_vec());
    assert!(!huge.status.success() && String::from_utf8_lossy(&huge.stderr).contains("limit"));
}
