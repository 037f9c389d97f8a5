//! A real camera, driver and all: run in the virtual machine by `tests/vm/run.sh`, or by hand on any machine with a camera:
//! `UPRES_CAMERA=v4l2:/dev/video0 cargo test --release --test camera -- --ignored --nocapture`.
#![allow(clippy::expect_used)]

use std::env;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use upres::device::shot::{Picture, Shot, Shown};
use upres::device::sink::Sink;
use upres::device::sink::loopback::{Loopback, LoopbackOptions};
use upres::device::source::camera::{Camera, CameraOptions};
use upres::device::source::{Next, Source};
use upres::geometry::Size;
use upres::y4m::{Chroma, Header, Range, Siting};

fn camera() -> CameraOptions {
    env::var("UPRES_CAMERA").unwrap_or_default().parse().expect("UPRES_CAMERA names a camera")
}

fn number(name: &str, default: usize) -> usize {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Prints every frame's header and stops after `UPRES_FRAMES`, at an error, or after `UPRES_SECONDS`.
#[test]
#[ignore = "needs a camera"]
fn frames_come() {
    let (most, seconds) = (number("UPRES_FRAMES", 10), number("UPRES_SECONDS", 30));
    let mut camera = match Camera::open(&camera()) {
        Ok(camera) => camera,
        Err(error) => return println!("open error: {error}"),
    };
    println!("format {}, {:?} range, stride {}", camera.format(), camera.format().range, camera.format().stride);
    let (mut shot, start) = (Shot::empty(), Instant::now());
    let (mut frames, mut nothing, mut bad_stamps, mut last) = (0, 0, 0, None);
    while frames < most && start.elapsed() < Duration::from_secs(seconds as u64) {
        match camera.next(&mut shot) {
            Ok(Next::Frame) => {
                frames += 1;
                if last.is_some_and(|(number, taken)| shot.number <= number || shot.taken <= taken) {
                    bad_stamps += 1;
                }
                last = Some((shot.number, shot.taken));
                let head = &shot.bytes[..shot.bytes.len().min(4)];
                println!("frame {} of {} bytes, {head:02x?}, at {:.3?}", shot.number, shot.bytes.len(), shot.taken);
            }
            Ok(Next::Nothing) => nothing += 1,
            Ok(Next::End) => break,
            Err(error) => {
                println!("error: {error}");
                break;
            }
        }
    }
    let damaged = camera.damaged();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{frames} frames, {nothing} waits for nothing, {damaged} damaged, {bad_stamps} stamps out of order, {seconds:.1} s"
    );
}

/// Writes `UPRES_FRAMES` frames of one grey to `UPRES_LOOPBACK`, then a few of another size.
#[test]
#[ignore = "needs a virtual camera"]
fn frames_go_out() {
    let options: LoopbackOptions = env::var("UPRES_LOOPBACK").unwrap_or_default().parse().expect("UPRES_LOOPBACK");
    let mut loopback = Loopback::open(&options);
    let [large, small] = [Size::new(640, 480), Size::new(320, 240)];
    let sizes = [large].repeat(number("UPRES_FRAMES", 10)).into_iter().chain([small; 5]);
    let mut last = String::new();
    for (number, size) in sizes.enumerate() {
        let (chroma, range) = (Chroma::C420(Siting::Left), Some(Range::Full));
        let header = Header { size, chroma, bits: 8, rate: None, aspect: None, range, comments: Vec::new() };
        let large = Picture { bytes: vec![200; header.frame_bytes()], header };
        let time = Duration::ZERO;
        let shown = Shown { number: number as u64, taken: time, done: time, small: large.clone(), large };
        let line = match loopback.show(&Arc::new(shown)) {
            Ok(()) => format!("wrote {size}"),
            Err(error) => format!("error: {error}"),
        };
        if line != last {
            println!("{line}");
            last = line;
        }
        thread::sleep(Duration::from_millis(40));
    }
    println!("{} dropped", loopback.dropped());
}
