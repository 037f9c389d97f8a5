//! A known picture on a real screen. Only where `UPRES_SCREEN` names one (`drm`, `fb:/dev/fb0` …), as in the virtual
//! machine: what is seen there is compared from outside, at the marks that are printed.

#![cfg(feature = "device")]
#![allow(clippy::expect_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};
use upres::device::desk::{Desk, Report};
use upres::device::shot::{Picture, Shown};
use upres::device::sink::{
    Sink,
    screen::{ScreenOptions, open},
};
use upres::geometry::Size;
use upres::y4m::{Chroma, Header, Range};

/// How long each picture stands.
const STAY: Duration = Duration::from_secs(6);

/// Full-range 4:4:4: luma x + 2y, blue 3x + y, red 5y − x, each of 8 bits.
fn card(size: Size) -> Picture {
    let plane = |code: fn(usize, usize) -> usize| {
        (0..size.area()).map(move |i| code(i % size.width, i / size.width) as u8).collect::<Vec<u8>>()
    };
    let bytes = [plane(|x, y| x + 2 * y), plane(|x, y| 3 * x + y), plane(|x, y| (5 * y).wrapping_sub(x))].concat();
    let (chroma, range) = (Chroma::C444, Some(Range::Full));
    let header = Header { size, chroma, bits: 8, rate: None, aspect: None, range, comments: Vec::new() };
    Picture { header, bytes }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn options() -> ScreenOptions {
    ScreenOptions {
        device: variable("UPRES_SCREEN").expect("UPRES_SCREEN").parse().expect("a screen"),
        rotation: variable("UPRES_ROTATION").map(|text| text.parse().expect("a rotation")).unwrap_or_default(),
        split: variable("UPRES_SPLIT").is_some(),
        hud: variable("UPRES_HUD").is_some(),
        fill: variable("UPRES_FILL").is_some(),
    }
}

/// Shows `shown` for a while, as fast as the screen takes it.
fn stay(sink: &mut dyn Sink, shown: &Arc<Shown>, mark: &str) {
    let begin = Instant::now();
    let mut frames = 0;
    sink.show(shown).expect("shown");
    println!("{mark}");
    while begin.elapsed() < STAY {
        sink.show(shown).expect("shown");
        frames += 1;
    }
    println!("{mark}: {:.1} frames/s", f64::from(frames) / begin.elapsed().as_secs_f64());
}

#[test]
#[ignore = "needs a screen, named by UPRES_SCREEN"]
fn a_known_picture_on_a_real_screen() {
    let desk = Arc::new(Desk::default());
    let mut sink = open(&options(), &desk).expect("a screen");
    let (small, large) = (card(Size::new(320, 200)), card(Size::new(640, 400)));
    let shown = Arc::new(Shown { number: 0, taken: Duration::ZERO, done: Duration::ZERO, small, large });
    desk.write(|report| *report = Report { online: true, fps_in: 30.0, fps_out: 29.9, ..Report::default() });
    stay(&mut *sink, &shown, "SCREEN-READY");
    desk.write(|report| {
        report.online = false;
        report.trouble = Some("camera unplugged".into());
    });
    sink.idle().expect("idle");
    println!("IDLE-READY");
    std::thread::sleep(STAY);
    // A display that is pulled (the kernel is told so through sysfs), noticed, and found again.
    if let Some(status) = variable("UPRES_UNPLUG") {
        std::fs::write(&status, "off").expect("unplugged");
        let begin = Instant::now();
        let error = loop {
            if let Err(error) = sink.idle() {
                break error.to_string();
            }
            assert!(begin.elapsed() < STAY, "not noticed");
            std::thread::sleep(Duration::from_millis(100));
        };
        println!("UNPLUGGED after {} ms: {error}", begin.elapsed().as_millis());
        assert!(error.contains("unplugged"), "{error}");
        drop(sink);
        let away = open(&options(), &desk).err().map(|error| error.to_string());
        println!("AWAY: {away:?}");
        std::fs::write(&status, "detect").expect("plugged");
        sink = open(&options(), &desk).expect("the screen again");
        stay(&mut *sink, &shown, "AGAIN-READY");
    }
    // One screen, one master.
    println!("SECOND: {:?}", open(&options(), &desk).err().map(|error| error.to_string()));
    drop(sink);
    println!("DROPPED");
    std::thread::sleep(STAY);
}
