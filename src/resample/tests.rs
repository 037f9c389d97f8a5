#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use std::path::PathBuf;

/// A plane of repeatable noise in 0..1.
fn noise(size: Size) -> Plane {
    let mut state = 12345_u32;
    Plane::from_fn(size, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0
    })
}

/// The benchmark sets, or `None` with a plain word where they are not at hand.
fn bench() -> Option<PathBuf> {
    let data = std::env::var_os("UPRES_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let bench = data.join("bench");
    if !bench.is_dir() {
        assert!(std::env::var_os("UPRES_SKIP").is_none_or(|word| word != "never"), "no {}", bench.display());
        println!("skipped: no benchmark sets in {} (set UPRES_DATA)", data.display());
        return None;
    }
    Some(bench)
}

#[test]
fn shrinking_by_four_is_matlab_bit_for_bit() {
    let Some(bench) = bench() else { return };
    let mut compared = 0;
    for set in ["Set5", "Set14", "BSD100"] {
        for entry in std::fs::read_dir(bench.join(set).join("HR")).unwrap() {
            let path = entry.unwrap().path();
            let (large, small) = (image::open(&path).unwrap(), path.to_string_lossy().replace("/HR/", "/LR_x4/"));
            let small = image::open(small).unwrap();
            let channels = large.color().channel_count() as usize;
            let size = Size::new(large.width() as usize, large.height() as usize);
            let (got, to) = shrink_u8(large.as_bytes(), size, channels, 4);
            assert_eq!(to, Size::new(small.width() as usize, small.height() as usize));
            assert!(got == small.as_bytes(), "{}", path.display());
            compared += 1;
        }
    }
    assert_eq!(compared, 119);
}

// import numpy as np, math
// def cubic(x):
//     a = abs(x)
//     return 1.5*a**3-2.5*a**2+1 if a <= 1 else -.5*a**3+2.5*a**2-4*a+2 if a <= 2 else 0
// def lanczos3(x): return float(np.sinc(x)*np.sinc(x/3)) if abs(x) < 3 else 0
// def row(x, m, f, r):
//     n = len(x); s = n/m; wide = max(1, s); out = []
//     for i in range(m):
//         u = (i+.5)*s-.5
//         ks = range(math.floor(u-r*wide)-1, math.ceil(u+r*wide)+2)
//         w = [f((u-k)/wide) for k in ks]
//         out.append(sum(a*x[min(max(k, 0), n-1)] for a, k in zip(w, ks))/sum(w))
//     return [round(v, 6) for v in out]
// x = [.1, .9, .3, .5, .2]
// for f, r in ((cubic, 2), (lanczos3, 3), (lambda t: max(0, 1-abs(t)), 1)):
//     print(row(x, 7, f, r), row(x, 3, f, r))
#[test]
fn rows_agree_with_the_equation() {
    let cases: [(Filter, [f32; 7], [f32; 3]); 3] = [
        (
            Filter::Bicubic,
            [0.058_017, 0.613_120, 0.807_289, 0.3, 0.455_977, 0.390_671, 0.184_257],
            [0.424_638, 0.515_166, 0.305_797],
        ),
        (
            Filter::Lanczos3,
            [0.029_210, 0.645_361, 0.821_880, 0.3, 0.433_822, 0.416_523, 0.174_016],
            [0.428_725, 0.552_621, 0.283_435],
        ),
        (Filter::Bilinear, [0.1, 0.557_143, 0.728_571, 0.3, 0.442_857, 0.371_429, 0.2], [0.4, 0.477_778, 0.312_500]),
    ];
    let input = Plane { size: Size::new(5, 1), data: vec![0.1, 0.9, 0.3, 0.5, 0.2] };
    for (filter, seven, three) in cases {
        for expected in [&seven[..], &three[..]] {
            let got = resize(&input, Size::new(expected.len(), 1), filter).data;
            let close = got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-6);
            assert!(close && got.len() == expected.len(), "{filter:?}: {got:?} is not {expected:?}");
        }
    }
}

#[test]
fn nearest_and_area_by_hand() {
    let input = Plane { size: Size::new(4, 1), data: vec![0.0, 1.0, 2.0, 3.0] };
    let row = |to, filter| resize(&input, Size::new(to, 1), filter).data;
    assert_eq!(row(8, Filter::Nearest), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    assert_eq!(row(2, Filter::Nearest), [1.0, 3.0]);
    assert_eq!(row(2, Filter::Area), [0.5, 2.5]);
    // Each of three covers 4/3 of an input: 0 and a third of 1; two thirds of 1 and of 2; a third of 2 and 3.
    let thirds = row(3, Filter::Area);
    assert!(thirds.iter().zip([0.25, 1.5, 2.75]).all(|(a, b)| (a - b).abs() < 1e-6), "{thirds:?}");
}

#[test]
fn a_flat_picture_stays_flat_at_every_factor() {
    let flat = Plane::from_fn(Size::new(13, 7), |_, _| 0.7);
    for filter in Filter::ALL {
        for to in [Size::new(1, 1), Size::new(5, 3), Size::new(13, 7), Size::new(29, 31), Size::new(104, 56)] {
            let got = resize(&flat, to, filter);
            assert_eq!(got.size, to);
            assert!(got.data.iter().all(|x| (x - 0.7).abs() < 1e-6), "{filter:?} {to}");
        }
    }
}

#[test]
fn the_same_size_is_the_same_picture() {
    let picture = noise(Size::new(19, 11));
    for filter in Filter::ALL {
        let got = resize(&picture, picture.size, filter);
        assert!(got.data.iter().zip(&picture.data).all(|(a, b)| (a - b).abs() < 1e-6), "{filter:?}");
    }
}

#[test]
fn rows_streamed_in_bands_equal_the_whole() {
    let picture = noise(Size::new(17, 23));
    let to = Size::new(40, 61);
    for filter in Filter::ALL {
        let whole = resize(&picture, to, filter);
        let (across, down) = (Weights::new(17, to.width, filter), Weights::new(23, to.height, filter));
        let mut row = vec![f32::NAN; to.width];
        for y in 0..to.height {
            let (first, taps) = down.taps(y);
            let mut band = Plane::new(Size::new(to.width, taps.len()));
            for k in 0..taps.len() {
                across.filter_row(picture.row(first + k), band.row_mut(k));
            }
            down.blend_rows(y, |k| band.row(k - first), &mut row);
            assert_eq!(row, whole.row(y), "{filter:?} row {y}");
        }
    }
}

#[test]
fn gaussian_keeps_flat_areas_and_the_place_of_things() {
    let (flat, to) = gaussian_shrink_u8(&[90; 3 * 30 * 18], Size::new(30, 18), 3, 3, 1.2);
    assert_eq!((to, flat), (Size::new(10, 6), vec![90; 180]));
    // A ramp that rises by 4 a pixel rises by 16 a small pixel, and small pixel i lies at 4i + 1.5.
    let ramp: Vec<u8> = (0..60).map(|x| x * 4).collect();
    let (small, _) = gaussian_shrink_u8(&ramp, Size::new(60, 1), 1, 4, 1.6);
    assert!((3..12).all(|i| usize::from(small[i]) == 16 * i + 6), "{small:?}");
}

#[test]
fn sides_that_do_not_divide_are_rounded_up() {
    let (pixels, to) = shrink_u8(&[200; 11 * 7], Size::new(11, 7), 1, 4);
    assert_eq!((to, pixels), (Size::new(3, 2), vec![200; 6]));
}

// import numpy as np
// def cubic(x):
//     a = np.abs(x)
//     return np.where(a <= 1, 1.5*a**3-2.5*a**2+1, np.where(a <= 2, -.5*a**3+2.5*a**2-4*a+2, 0))
// def shrink(v, r, f, reach):                       # along axis 0
//     n = v.shape[0]; out = []
//     for i in range(-(-n//r)):
//         u = (i+.5)*r-.5
//         k = np.arange(np.ceil(u-reach), np.floor(u+reach)+1).astype(int)
//         w = f(u-k); out.append(w/w.sum() @ v[k.clip(0, n-1)])
//     return np.array(out)
// step = lambda v: np.clip(np.floor(v+.5), 0, 255)
// y, x = np.mgrid[:12, :18]
// v = ((x*x*11 + y*37 + x*y*5) % 256).astype(float)
// for r in (2, 3):
//     f = lambda t: cubic(t/r)
//     print(step(shrink(step(shrink(v, r, f, 2*r)).T, r, f, 2*r).T).astype(int).ravel().tolist())
// g = lambda t: np.exp(-t*t/(2*1.2**2))
// print(step(shrink(shrink(v, 3, g, 4.8).T, 3, g, 4.8).T).astype(int).ravel().tolist())
#[test]
fn shrinking_agrees_with_numpy_by_two_by_three_and_by_gauss() {
    let size = Size::new(18, 12);
    let level = |(x, y): (usize, usize)| (x * x * 11 + y * 37 + x * y * 5) as u8;
    let picture: Vec<u8> = (0..size.area()).map(|i| level((i % 18, i / 18))).collect();
    let halves: [u8; 54] = [
        24, 105, 130, 100, 120, 124, 110, 116, 114, 109, 179, 120, 134, 127, 159, 132, 139, 169, 178, 124, 112, 138,
        136, 169, 123, 138, 147, 79, 106, 105, 108, 132, 133, 118, 142, 126, 87, 119, 103, 141, 94, 85, 135, 111, 107,
        150, 99, 141, 120, 95, 108, 142, 73, 93,
    ];
    let thirds: [u8; 24] = [
        71, 134, 110, 132, 119, 130, 156, 123, 137, 153, 132, 153, 91, 106, 116, 116, 126, 126, 122, 121, 119, 96, 121,
        90,
    ];
    let gauss: [u8; 24] = [
        71, 128, 112, 132, 119, 128, 147, 124, 137, 148, 130, 149, 93, 107, 116, 116, 123, 124, 123, 123, 120, 101,
        121, 95,
    ];
    assert_eq!(shrink_u8(&picture, size, 1, 2), (halves.to_vec(), Size::new(9, 6)));
    assert_eq!(shrink_u8(&picture, size, 1, 3), (thirds.to_vec(), Size::new(6, 4)));
    assert_eq!(gaussian_shrink_u8(&picture, size, 1, 3, 1.2), (gauss.to_vec(), Size::new(6, 4)));
}
