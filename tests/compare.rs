//! `upres compare`, run from outside.
#![cfg(feature = "device")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod program;

use image::{DynamicImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

fn compare(arguments: &[&Path]) -> Output {
    program::upres().arg("compare").args(arguments).output().unwrap()
}

fn json(arguments: &[&Path]) -> Value {
    let output = compare(&[arguments, &[Path::new("--json")]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, picture: impl Into<DynamicImage>) -> PathBuf {
        let path = self.0.path().join(name);
        picture.into().save(&path).unwrap();
        path
    }
}

/// The picture of the Python script below.
fn a(x: u32, y: u32, c: u32) -> u32 {
    (x * x * 3 + y * 5 + c * 40 + x * y) % 256
}

fn b(x: u32, y: u32, c: u32) -> u32 {
    (a(x, y, c) + (x * 7 + y * 11 + c * 13) % 23) % 256
}

fn picture(f: fn(u32, u32, u32) -> u32) -> RgbImage {
    RgbImage::from_fn(37, 29, |x, y| Rgb([f(x, y, 0) as u8, f(x, y, 1) as u8, f(x, y, 2) as u8]))
}

// In numpy, float64, with psnr and ssim on luma_studio as the papers define them:
// x, y, c = np.meshgrid(np.arange(37), np.arange(29), np.arange(3), indexing='xy')
// a = (x*x*3 + y*5 + c*40 + x*y) % 256
// b = (a + (x*7 + y*11 + c*13) % 23) % 256
// for n in (0, 4): print(psnr(ya, yb), ssim(ya, yb), psnr(a, b)) of the arrays with n pixels cut
#[test]
fn agrees_with_numpy() {
    let desk = Desk::new();
    let (a, b) = (desk.put("a.png", picture(a)), desk.put("b.png", picture(b)));
    for (crop, psnr_y, ssim_y, psnr_rgb) in [("0", 19.03203, 0.803_234, 13.63817), ("4", 18.74147, 0.790_102, 13.57695)]
    {
        let got = json(&[&a, &b, Path::new("--crop"), Path::new(crop)]);
        for (key, expected) in [("psnr_y", psnr_y), ("ssim_y", ssim_y), ("psnr_rgb", psnr_rgb)] {
            assert!((got[key].as_f64().unwrap() - expected).abs() < 1e-4, "{key} with {crop} cut: {got}");
        }
        assert_eq!(got["equal"], false);
    }
}

#[test]
fn equal_pictures_are_called_equal_whatever_their_file() {
    let desk = Desk::new();
    let (a, b) = (desk.put("a.png", picture(a)), desk.put("b.bmp", picture(a)));
    assert_eq!(json(&[&a, &b])["equal"], true);
    let printed = String::from_utf8(compare(&[&a, &b]).stdout).unwrap();
    assert!(
        printed.contains("PSNR-Y              equal") && printed.contains("SSIM-Y              1.00000"),
        "{printed}"
    );
}

#[test]
fn sixteen_bits_are_not_rounded_away() {
    let desk = Desk::new();
    let flat = |level: u16| DynamicImage::from(ImageBuffer::from_pixel(16, 16, Luma([level])));
    let (a, b) = (desk.put("a.png", flat(30000)), desk.put("b.png", flat(30001)));
    // One step of 65535 everywhere: 20 log10 65535 = 96.33 dB.
    let psnr = json(&[&a, &b])["psnr_rgb"].as_f64().unwrap();
    assert!((psnr - 96.33).abs() < 0.1, "{psnr}");
}

#[test]
fn colours_under_full_transparency_do_not_count_but_alpha_does() {
    let desk = Desk::new();
    let see_through = |colour: u8, alpha: u8| {
        RgbaImage::from_fn(16, 16, move |x, _| if x < 8 { Rgba([9, 9, 9, 255]) } else { Rgba([colour, 0, 0, alpha]) })
    };
    let a = desk.put("a.png", see_through(200, 0));
    let b = desk.put("b.png", see_through(10, 0));
    let c = desk.put("c.png", see_through(200, 51));
    assert_eq!(json(&[&a, &b])["equal"], true);
    let half_off = json(&[&a, &c]);
    // Half of the pixels are off by a fifth: 10 log10 (1 / (0.04 / 2)) = 16.99 dB.
    assert!((half_off["psnr_alpha"].as_f64().unwrap() - 16.99).abs() < 0.01 && half_off["equal"] == false);
}

#[test]
fn the_difference_picture_is_amplified_as_stated() {
    let desk = Desk::new();
    let a = desk.put("a.png", RgbImage::from_pixel(16, 12, Rgb([100, 100, 100])));
    let mut other = RgbImage::from_pixel(16, 12, Rgb([103, 98, 100]));
    other.put_pixel(5, 7, Rgb([100, 100, 100]));
    let b = desk.put("b.png", other);
    let drawn = desk.0.path().join("difference.png");
    let got = json(&[&a, &b, Path::new("--difference"), &drawn]);
    // The root mean square is about √(13/3) = 2.1 levels of 255: four times that times 16 is 133, times 32 too much.
    assert_eq!(got["difference"]["amplified"], 16);
    let picture = image::open(&drawn).unwrap().into_rgb8();
    assert!(picture.enumerate_pixels().all(|(x, y, p)| p.0 == if (x, y) == (5, 7) { [0; 3] } else { [48, 32, 0] }));
    json(&[&a, &b, Path::new("--difference"), &drawn, Path::new("--amplify"), Path::new("3")]);
    assert_eq!(image::open(&drawn).unwrap().into_rgb8().get_pixel(0, 0).0, [9, 6, 0]);
}

#[test]
fn what_cannot_be_compared_is_said_plainly() {
    let desk = Desk::new();
    let a = desk.put("a.png", picture(a));
    let small = desk.put("small.png", RgbImage::new(8, 9));
    let (difference, crop) = (Path::new("--difference"), Path::new("--crop"));
    let before = std::fs::read(&a).unwrap();
    for (arguments, words) in [
        (vec![a.as_path(), &small], "one picture is 37x29 and the other 8x9"),
        (vec![&a, Path::new("missing.png")], "missing.png"),
        (vec![&small, &small, crop, Path::new("4")], "nothing of 8x9 is left inside a border of 4"),
        (vec![&a, &a, difference, &a], "is one of the pictures to compare"),
    ] {
        let output = compare(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(words), "{error}");
    }
    assert_eq!(std::fs::read(&a).unwrap(), before);
}
