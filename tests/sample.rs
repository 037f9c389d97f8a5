//! `upres sample` draws the picture that the project carries.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod program;

use std::path::Path;
use upres::geometry::Size;
use upres::sample;

fn pixels(path: &Path) -> (Size, Vec<u8>) {
    let picture = image::open(path).expect("a picture").into_rgb8();
    (Size::new(picture.width() as usize, picture.height() as usize), picture.into_raw())
}

fn carried() -> (Size, Vec<u8>) {
    pixels(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sample.png"))
}

#[test]
fn the_carried_picture_is_what_the_program_draws() {
    assert!(carried() == (sample::SMALL, sample::draw(sample::SMALL).unwrap()), "run upres sample again");
}

#[test]
fn the_program_writes_a_png_of_the_size_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.png");
    let upres = |size| {
        let mut command = program::upres();
        command.arg("sample").arg(&path).args(["--size", size]).output().expect("upres starts")
    };
    assert!(upres("320x214").status.success());
    assert!(pixels(&path) == carried());
    let output = upres("999999x999999");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(pixels(&path) == carried(), "a refusal leaves the old picture alone");
}

/// What enlargers find hard must be in it: little of it is flat, and every hue is there.
#[test]
fn the_picture_is_rich() {
    let (size, pixels) = carried();
    let luma = |x: usize, y: usize| i32::from(pixels[(y * size.width + x) * 3 + 1]);
    let mut busy = 0;
    for y in 0..size.height - 1 {
        busy += (0..size.width - 1)
            .filter(|&x| (luma(x, y) - luma(x + 1, y)).abs() + (luma(x, y) - luma(x, y + 1)).abs() > 8)
            .count();
    }
    assert!(busy * 2 > size.area(), "{busy} of {} pixels have detail", size.area());
    for channel in 0..3 {
        let strong = pixels.chunks_exact(3).filter(|c| (0..3).all(|i| i == channel || c[channel] > c[i] + 20)).count();
        assert!(strong > 300, "channel {channel}: {strong}");
    }
}
