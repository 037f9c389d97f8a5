#![allow(clippy::unwrap_used)]

use super::super::assemble::tests::y4m;
use super::super::mjpeg::tests::picture;
use super::*;
use crate::device::clock;
use crate::error::Kind;
use std::io::Write;
use std::thread;
use std::time::Duration;

fn pair() -> (Pipe, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    (Pipe::new(reader.into()), writer)
}

/// The next thing that is not nothing.
fn wait(source: &mut impl Source, shot: &mut Shot) -> Result<Next> {
    for _ in 0..200 {
        match source.next(shot)? {
            Next::Nothing => {}
            next => return Ok(next),
        }
    }
    panic!("nothing comes");
}

#[test]
fn a_silent_pipe_and_half_a_frame_block_nobody() {
    let (mut pipe, mut writer) = pair();
    let mut shot = Shot::empty();
    let begun = clock::now();
    assert_eq!(pipe.next(&mut shot).unwrap(), Next::Nothing);
    let stream = y4m("YUV4MPEG2 W4 H2 C420jpeg", 2);
    let (half, rest) = stream.split_at(stream.len() - 25);
    writer.write_all(half).unwrap();
    assert_eq!(pipe.next(&mut shot).unwrap(), Next::Nothing);
    assert!(clock::now().saturating_sub(begun) >= Duration::from_millis(800), "there was no wait");
    writer.write_all(rest).unwrap();
    for number in 0..2 {
        assert_eq!(pipe.next(&mut shot).unwrap(), Next::Frame);
        assert_eq!((shot.number, shot.bytes.as_slice()), (number, &[number as u8; 12][..]));
    }
    assert!(shot.taken > begun && shot.taken <= clock::now());
    assert_eq!(pipe.format(), shot.format);
    drop(writer);
    assert_eq!(pipe.next(&mut shot).unwrap(), Next::End);
    assert_eq!(pipe.next(&mut shot).unwrap(), Next::End);
}

#[test]
fn bytes_may_come_one_at_a_time() {
    for stream in [y4m("YUV4MPEG2 W4 H2 C420jpeg", 5), picture(8, 8, &[1; 20]).repeat(5)] {
        let (mut pipe, mut writer) = pair();
        let writing = thread::spawn(move || {
            for byte in stream {
                writer.write_all(&[byte]).unwrap();
                thread::yield_now();
            }
        });
        let mut shot = Shot::empty();
        for number in 0..5 {
            assert_eq!(wait(&mut pipe, &mut shot).unwrap(), Next::Frame);
            assert_eq!(shot.number, number);
        }
        assert_eq!(wait(&mut pipe, &mut shot).unwrap(), Next::End);
        writing.join().unwrap();
    }
}

#[test]
fn frames_larger_than_the_pipe_come_whole() {
    let (mut pipe, mut writer) = pair();
    let stream = y4m("YUV4MPEG2 W640 H480 C420jpeg", 6);
    let writing = thread::spawn(move || writer.write_all(&stream).unwrap());
    let mut shot = Shot::empty();
    for number in 0..6 {
        assert_eq!(wait(&mut pipe, &mut shot).unwrap(), Next::Frame);
        assert_eq!(shot.bytes.len(), 640 * 480 * 3 / 2);
        assert!(shot.bytes.iter().all(|&byte| byte == number));
    }
    writing.join().unwrap();
}

#[test]
fn what_is_no_stream_of_frames_says_what_would_be() {
    for rubbish in ["", "hello\n", "YUV4MPEG2 W2 H2\nFRAME\n1"] {
        let (mut pipe, mut writer) = pair();
        writer.write_all(rubbish.as_bytes()).unwrap();
        drop(writer);
        let error = wait(&mut pipe, &mut Shot::empty()).unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
        assert!(error.to_string().contains("before a frame came"), "{error}");
    }
}

#[test]
fn a_named_pipe_waits_for_its_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let mut pipe = Pipe::open(&path).unwrap();
    let mut shot = Shot::empty();
    assert_eq!(pipe.next(&mut shot).unwrap(), Next::Nothing, "nobody writes yet");
    let writing = thread::spawn(move || std::fs::write(path, y4m("YUV4MPEG2 W4 H2 Cmono", 1)).unwrap());
    assert_eq!(wait(&mut pipe, &mut shot).unwrap(), Next::Frame);
    assert_eq!(shot.bytes, [0; 8]);
    assert_eq!(wait(&mut pipe, &mut shot).unwrap(), Next::End);
    writing.join().unwrap();
    assert_eq!(Pipe::open(Path::new("/nowhere/fifo")).unwrap_err().kind(), Kind::Io);
}
