//! A camera that is made up, for tests of what shows its frames.

#![allow(clippy::expect_used)]

use std::sync::{Arc, OnceLock};
use std::time::Duration;
use upres::device::clock;
use upres::device::desk::{Ages, Drops, Governor, Report, StageTimes};
use upres::device::shot::{Picture, Shown};
use upres::geometry::Size;
use upres::y4m::{Chroma, Header, Range, Siting};

/// A picture of grey waves that walk, with some noise, as cameras have it.
fn picture(size: Size, number: u64) -> Picture {
    let (chroma, range) = (Chroma::C420(Siting::Left), Some(Range::Full));
    let header = Header { size, chroma, bits: 8, rate: None, aspect: None, range, comments: Vec::new() };
    let mut bytes = vec![128; header.frame_bytes()];
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for (y, row) in bytes[..size.area()].chunks_exact_mut(size.width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *pixel = ((x * 256 / size.width + y + 3 * number as usize) as u8 / 2) + (state >> 60) as u8;
        }
    }
    Picture { header, bytes }
}

/// A frame of 160 × 120 pixels, and twice that.
pub(crate) fn shown(number: u64) -> Arc<Shown> {
    let [small, large] = [Size::new(160, 120), Size::new(320, 240)].map(|size| picture(size, number));
    let now = clock::now();
    Arc::new(Shown { number, taken: now, done: now, small, large })
}

/// The sample picture, moving: what was before is every third pixel of what is after.
pub(crate) fn scene(number: u64) -> Arc<Shown> {
    static PICTURE: OnceLock<Vec<u8>> = OnceLock::new();
    let (all, size) = (Size::new(1440, 810), Size::new(1280, 720));
    let rgb = PICTURE.get_or_init(|| upres::sample::draw(all).expect("the sample picture"));
    let phase = number as f64 / 40.0;
    let (dx, dy) = ((80.0 + 79.0 * phase.sin()) as usize, (45.0 + 44.0 * (0.7 * phase).cos()) as usize);
    let large = picture_of(size, |x, y| &rgb[3 * ((y + dy) * all.width + x + dx)..][..3]);
    let small = picture_of(Size::new(426, 240), |x, y| &rgb[3 * ((3 * y + dy) * all.width + 3 * x + dx)..][..3]);
    let taken = clock::now().saturating_sub(Duration::from_millis(24 + number * 7 % 9));
    Arc::new(Shown { number, taken, done: clock::now(), small, large })
}

fn picture_of<'a>(size: Size, rgb: impl Fn(usize, usize) -> &'a [u8]) -> Picture {
    let mut picture = picture(Size::new(2, 2), 0);
    picture.header.size = size;
    picture.header.chroma = Chroma::C444;
    picture.bytes.clear();
    let weights = [[0.299, 0.587, 0.114, 0.0], [-0.1687, -0.3313, 0.5, 128.0], [0.5, -0.4187, -0.0813, 128.0]];
    for [red, green, blue, offset] in weights {
        for y in 0..size.height {
            picture.bytes.extend((0..size.width).map(|x| {
                let pixel = rgb(x, y);
                let mixed = red * f64::from(pixel[0]) + green * f64::from(pixel[1]) + blue * f64::from(pixel[2]);
                (mixed + offset + 0.5) as u8
            }));
        }
    }
    picture
}

/// What a camera might have to report.
pub(crate) fn report() -> Report {
    Report {
        source: "v4l2:/dev/video0".to_owned(),
        format: "MJPG 426x240 at 30.000 frames/s".to_owned(),
        input: [426, 240],
        output: [1280, 720],
        asked_fps: 30.0,
        fps_in: 30.0,
        fps_out: 24.6,
        model: "camera-x2".to_owned(),
        running: "camera-x2-small".to_owned(),
        strength: Some(0.6),
        models: ["camera-x2", "camera-x2-small", "sharp-rgb-x4-int8", "bicubic"].map(str::to_owned).to_vec(),
        governor: Governor {
            state: "smaller model".to_owned(),
            step: 1,
            reason: "46 ms a frame, and 33 ms is all there is".to_owned(),
        },
        ms: StageTimes { unpack: 2.1, generator: 19.4, chroma: 3.2, total: 26.3 },
        age: Ages { p50: 31.2, p95: 38.0, p99: 47.5 },
        tiles_run: 320,
        tiles_reused: 810,
        dropped: Drops { late: 1204, thinned: 31, ..Drops::default() },
        temperature: Some(61.3),
        ..Report::default()
    }
}
