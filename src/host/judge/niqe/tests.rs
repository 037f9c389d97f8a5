#![allow(clippy::unwrap_used)]

use super::*;
use crate::geometry::Size;
use std::path::PathBuf;

/// Made-up statistics in the form of the real ones; tests/data/niqe.py wrote them.
fn made_up() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/made_up.npz")
}

/// `picture` of tests/data/niqe.py: waves and noise, and `flat` columns of one colour at the left.
fn picture(width: usize, height: usize, flat: usize) -> Picture {
    let sample = |i: usize| {
        let (x, y, c) = (i / 3 % width, i / 3 / width, i % 3);
        let noise = ((x * x * 31 + y * y * 17 + x * y * 7 + c * 59) * 2_654_435_761 % (1 << 32)) >> 27;
        let level = (x / 3 * (1 + c) + y / 2 * 3 + x * y / 40) % 200 + noise;
        if x < flat { 77 } else { level as u8 }
    };
    Picture { size: Size::new(width, height), rgb: (0..width * height * 3).map(sample).collect() }
}

fn near(got: f64, want: f64) -> bool {
    (got / want - 1.0).abs() < 1e-9
}

// Printed by tests/data/niqe.py. In the last picture two blocks are flat at both scales.
#[test]
fn agrees_with_numpy() {
    let niqe = Niqe::open(&made_up()).unwrap();
    for ((width, height, flat), expected) in [
        ((200, 300, 0), 33.064_198_802_624_084),
        ((96, 96, 0), 40.957_321_895_564_82),
        ((290, 200, 100), 34.840_026_873_358_89),
    ] {
        let got = niqe.measure(&picture(width, height, flat)).unwrap();
        assert!(near(got, expected), "{width} {height}: {got}");
    }
}

/// `np.arange(96 * 96.0).reshape(96, 96) ** 2 % 251`
fn plane() -> Map {
    Map { width: 96, height: 96, data: (0..96 * 96).map(|i| (i * i % 251) as f64).collect() }
}

// judge.imresize(h, 48, 48) at [0, 0], [47, 47], [0, 23], [20, 31], printed by tests/data/niqe.py
#[test]
fn half_is_that_of_imresize() {
    let half = halved(&plane());
    for (y, x, expected) in [
        (0, 0, 72.271_133_422_851_56),
        (47, 47, 142.163_009_643_554_7),
        (0, 23, 119.514_923_095_703_12),
        (20, 31, 131.902_023_315_429_7),
    ] {
        assert!(near(half.row(y)[x], expected), "{y} {x}: {}", half.row(y)[x]);
    }
}

// Niqe._normalise(h) with the window of made_up.npz at [0, 0], [95, 95], [0, 40], [50, 61], printed by tests/data/niqe.py
#[test]
fn normalised_is_that_of_numpy() {
    let map = Niqe::open(&made_up()).unwrap().normalised(&plane());
    for (y, x, expected) in [
        (0, 0, -0.660_965_891_151_949_6),
        (95, 95, 0.491_994_746_295_901_23),
        (0, 40, -0.318_339_924_831_471_2),
        (50, 61, 0.812_440_954_859_278_8),
    ] {
        assert!(near(map.row(y)[x], expected), "{y} {x}: {}", map.row(y)[x]);
    }
}

#[test]
fn pictures_smaller_than_a_block_and_flat_ones_have_none() {
    let niqe = Niqe::open(&made_up()).unwrap();
    for (width, height, flat) in [(95, 300, 0), (300, 95, 0), (0, 0, 0), (200, 200, 200)] {
        assert_eq!(niqe.measure(&picture(width, height, flat)), None, "{width} {height}");
    }
}

#[test]
fn what_lies_beside_whole_blocks_does_not_count() {
    let niqe = Niqe::open(&made_up()).unwrap();
    let whole = picture(191, 110, 0);
    let cut = whole.crop(crate::geometry::Rect::new(0, 0, Size::new(96, 96)));
    assert_eq!(niqe.measure(&whole), niqe.measure(&cut));
}

#[test]
fn statistics_that_are_none_are_refused() {
    let good = Npz::open(&made_up()).unwrap();
    let [mean, covariance, window] =
        ["mu_pris_param", "cov_pris_param", "gaussian_window"].map(|name| good.array(name).unwrap().values);
    assert!(Niqe::new(&mean, &covariance, &window).is_ok());
    let with = |values: &[f64], at: usize, value: f64| {
        let mut values = values.to_vec();
        values[at] = value;
        values
    };
    let message = |covariance: &[f64], window: &[f64]| Niqe::new(&mean, covariance, window).unwrap_err().to_string();
    for bad in [with(&covariance, 1, 9.0), with(&covariance, 37, -9.0), vec![0.0; NUMBERS * NUMBERS]] {
        assert!(message(&bad, &window).contains("'cov_pris_param' is no covariance"));
    }
    for bad in [with(&window, 3, 0.5), with(&window, 24, -1.0), vec![0.0; 49]] {
        assert!(message(&covariance, &bad).contains("'gaussian_window' is no window"));
    }
}

#[test]
fn other_files_are_refused_with_their_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for (name, words) in [
        ("order.npz", "no array 'mu_pris_param', but columns"),
        ("niqe.py", "not an .npz file"),
        ("absent.npz", "cannot read"),
    ] {
        let message = Niqe::open(&folder.join(name)).unwrap_err().to_string();
        assert!(message.contains(words) && message.contains(name), "{message}");
    }
}
