#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::patch::{PIXELS, PLACES, RADIUS, Transform};
use super::planes::horizons;
use super::pyramid::Level;
use super::vote::back_project;
use super::*;
use crate::error::Kind;
use crate::resample::{Filter, resize};
use crate::upscale::{PlaneUpscaler, TileOptions};
use std::sync::Arc;

fn pool(threads: usize) -> Pool {
    Pool::new("test", threads).unwrap()
}

fn near<const N: usize>(made: [f32; N], expected: [f32; N], within: f32) -> bool {
    made.iter().zip(expected).all(|(a, b)| (a - b).abs() < within)
}

/// A smooth picture without a repetition.
fn waves(size: Size) -> Plane {
    Plane::from_fn(size, |x, y| {
        let (x, y) = (x as f32, y as f32);
        let sum = (0.31 * x + 0.002 * x * y).sin() + (0.27 * y - 0.0015 * x * x).cos() + (0.2 * (x - y)).sin();
        0.5 + 0.15 * sum
    })
}

/// Error against `truth` in dB.
fn psnr(made: &Plane, truth: &Plane) -> f64 {
    let squares = made.data.iter().zip(&truth.data).map(|(a, b)| f64::from(a.clamp(0.0, 1.0) - b).powi(2));
    crate::metric::psnr(squares.sum::<f64>() / truth.data.len() as f64)
}

/// On the road that every generator takes.
fn upscaled(picture: &Plane, scale: usize, threads: usize) -> Result<Plane> {
    let (size, target) = (picture.size, picture.size.checked_scale(scale)?);
    let tiles = TileOptions { threads, ..TileOptions::default() };
    let mut output = [Plane::new(target)];
    PlaneUpscaler::new(Arc::new(SelfExemplar::new(scale)?), size, target, &tiles)?
        .run(std::slice::from_ref(picture), &mut output)?;
    let [output] = output;
    Ok(output)
}

// T as a 3×3 matrix on (d, 1), moved on by a translation and written as centre, derivative and tilt again:
//   c, A, p = [30, 20], [[1.5, -0.4], [0.3, 1.7]], [0.004, -0.006]; M = np.eye(3); M[:2, 2] = [5, -3]
//   G = np.block([[A + np.outer(c, p), c[:, None]], [p[None], np.ones((1, 1))]]) @ M; G /= G[2, 2]
//   print(G[:2, 2], G[:2, :2] - np.outer(G[:2, 2], G[2, :2]), G[2, :2])
#[test]
fn a_homography_moves_on_as_a_matrix_does() {
    let transform = Transform { centre: [30.0, 20.0], linear: [1.5, -0.4, 0.3, 1.7], tilt: [0.004, -0.006] };
    let moved = transform.moved([5.0, -3.0]);
    assert!(near(moved.centre, [38.381_503, 16.531_792], 1e-5), "{moved:?}");
    assert!(near(moved.linear, [1.412_788, -0.336_908_5, 0.302_382_3, 1.617_717_5], 1e-6), "{moved:?}");
    assert!(near(moved.tilt, [0.003_853_565, -0.005_780_347], 1e-8), "{moved:?}");
    let back = moved.moved([-5.0, 3.0]);
    assert!(near(back.centre, transform.centre, 1e-4) && near(back.linear, transform.linear, 1e-5), "{back:?}");
}

#[test]
fn a_finer_level_shows_the_same_homography() {
    let transform = Transform { centre: [30.0, 20.0], linear: [1.5, -0.4, 0.3, 1.7], tilt: [0.004, -0.006] };
    let ratio = [1.25, 1.5];
    // A way in the coarse level, and the same way in the fine one.
    let (coarse, fine) = (transform.moved([2.0, 3.0]), transform.refined(ratio).moved([2.5, 4.5]));
    let expected = [(coarse.centre[0] + 0.5) * 1.25 - 0.5, (coarse.centre[1] + 0.5) * 1.5 - 0.5];
    assert!(near(fine.centre, expected, 1e-4), "{fine:?} {expected:?}");
    assert!(near(fine.linear, coarse.refined(ratio).linear, 1e-5));
}

// R = np.eye(3); R[2, :2] = h; rx, rs = apply(R, x), apply(R, s); X = np.eye(3); X[:2, 2] = x
// S = [[κ, 0, rs[0] - κ rx[0]], [0, κ, rs[1] - κ rx[1]], [0, 0, 1]]; G = inv(R) @ S @ R @ X; G /= G[2, 2], then as above,
// with h, x, s, κ = [0.01, 0.004], [12, 30], [40, 25], 1.5
#[test]
fn a_plane_gives_a_patch_its_shape() {
    let horizon = Horizon([0.01, 0.004]);
    let area = 3.982_825_f32.sqrt();
    let shaped = horizon.shape([12.0, 30.0], &Transform::scaling([40.0, 25.0], area));
    assert!(near(shaped.centre, [40.0, 25.0], 1e-5));
    assert!(near(shaped.linear, [2.224_245_6, 0.163_891_8, -0.073_165_97, 1.785_249_7], 1e-5), "{shaped:?}");
    assert!(near(shaped.tilt, [-0.006_568_678, -0.002_627_471], 1e-7), "{shaped:?}");
    // A finer level shows the same horizon: its points keep to it.
    let fine = horizon.refined([2.0, 4.0]).0;
    let (x, y) = (-60.0_f32, (-1.0 + 0.6) / 0.004);
    let there = 1.0 + fine[0] * ((x + 0.5) * 2.0 - 0.5) + fine[1] * ((y + 0.5) * 4.0 - 0.5);
    assert!(there.abs() < 1e-5, "{there}");
}

/// A target over one level of half its size, and a transformation into the middle of that.
fn scene() -> (Plane, Vec<Level>, Transform) {
    let size = Size::new(14, 12);
    let value = |x: usize, y: usize| ((0.7 * x as f32).sin() + (0.4 * y as f32 + 0.2 * x as f32).cos()) * 0.25 + 0.5;
    let low = Plane::from_fn(size, value);
    let high = Plane { data: low.data.iter().map(|v| 1.0 - v).collect(), size };
    let target = Plane::from_fn(Size::new(28, 24), |x, y| {
        let (x, y) = (x as f32 - 8.0, y as f32 - 8.0);
        0.1 * x + 0.05 * y * y
    });
    let transform = Transform { centre: [13.1, 11.7], linear: [1.8, -0.7, 0.6, 2.2], tilt: [0.0; 2] };
    (target, vec![Level { high, low }], transform)
}

// src = np.fromfunction(lambda y, x: (np.sin(0.7*x) + np.cos(0.4*y + 0.2*x))*0.25 + 0.5, (12, 14)), sampled between its four
// pixels at [6.3, 5.6] + [[0.9, -0.35], [0.3, 1.1]] @ [dx, dy]; target = fromfunction(0.1*x + 0.05*y*y, (5, 5));
// cost = (target - samples).var()
#[test]
fn patches_are_sampled_and_compared_as_by_numpy() {
    let (target, levels, transform) = scene();
    let scene = Scene::new(&target, &levels, 2.0);
    let placed = scene.place(&transform).unwrap();
    let [low, high] = scene.samples(&placed);
    let at = |dx: i32, dy: i32| low[PLACES.iter().position(|place| *place == (dx, dy)).unwrap()];
    let first = [-2, -1, 0, 1, 2].map(|dx| at(dx, -2));
    let last = [-2, -1, 0, 1, 2].map(|dx| at(dx, 2));
    assert!(near(first, [0.249_359, 0.087_057, 0.026_854, 0.088_821, 0.228_525], 5e-5), "{first:?}");
    assert!(near(last, [0.393_949, 0.293_489, 0.222_656, 0.225_694, 0.320_422], 5e-5), "{last:?}");
    assert!((at(0, 0) - 0.045_153).abs() < 5e-5);
    assert!(low.iter().zip(high).all(|(low, high)| (1.0 - low - high).abs() < 1e-6));
    let patch = scene.patch(10, 10);
    let cost = scene.cost(&patch, &placed, f32::INFINITY).unwrap();
    assert!((cost - 0.086_048_55).abs() < 5e-5, "{cost}");
    // A bound changes nothing but whether there is an answer.
    assert_eq!(scene.cost(&patch, &placed, cost * 1.0001), Some(cost));
    assert_eq!(scene.cost(&patch, &placed, cost * 0.9999), None);
    assert_eq!(scene.cost(&[f32::NAN; PIXELS], &placed, f32::INFINITY), None);
}

#[test]
fn sources_stay_inside_and_in_scale() {
    let (target, levels, transform) = scene();
    let scene = Scene::new(&target, &levels, 2.0);
    let at = |x: f32, y: f32| scene.place(&Transform { centre: [x, y], ..transform }).is_some();
    assert!(at(13.1, 11.7) && !at(3.0, 11.7) && !at(24.0, 11.7) && !at(13.1, 4.0) && !at(13.1, 19.0));
    let scaled = |scale: f32| scene.place(&Transform::scaling([13.5, 11.5], scale)).is_some();
    assert!(scaled(2.0) && scaled(2.2) && !scaled(1.5) && !scaled(4.5) && !scaled(f32::NAN) && !scaled(f32::INFINITY));
    // Corners of a patch on the very last pixels are sampled without leaving the plane.
    let reach = 2.0 * RADIUS as f32;
    for (x, y) in [(reach, reach), (26.5 - reach, 22.5 - reach)] {
        if let Some(placed) = scene.place(&Transform::scaling([x, y], 2.0)) {
            assert!(scene.samples(&placed)[0].iter().all(|v| v.is_finite()));
        }
    }
}

#[test]
fn a_pattern_that_was_turned_and_shrunk_is_found() {
    // The target shows the level below it, turned by 17 degrees and 1.7 times smaller.
    let (small, large) = (Size::new(96, 96), Size::new(128, 128));
    let low = waves(small);
    let (sin, cos) = (17.0_f32.to_radians().sin() * 1.7, 17.0_f32.to_radians().cos() * 1.7);
    let truth = Transform { centre: [63.5, 63.5], linear: [cos, -sin, sin, cos], tilt: [0.0; 2] };
    let source = |x: usize, y: usize| {
        let [u, v] = truth.moved([x as f32 - 63.5, y as f32 - 63.5]).centre;
        [(u + 0.5) * 0.75 - 0.5, (v + 0.5) * 0.75 - 0.5]
    };
    let target = Plane::from_fn(large, |x, y| {
        let [u, v] = source(x, y).map(|at| at.clamp(0.0, 94.0));
        let (x, y) = (u as usize, v as usize);
        let [a, b] = [y, y + 1].map(|y| low.row(y)[x] + (low.row(y)[x + 1] - low.row(y)[x]) * u.fract());
        a + (b - a) * v.fract()
    });
    let levels = [Level { high: low.clone(), low }];
    let scene = Scene::new(&target, &levels, 4.0 / 3.0);
    let mut pool = pool(2);
    let mut field = Field::empty().begin(&scene, &[1.4, 2.0], &mut pool).unwrap();
    for pass in 0..24 {
        field = field.pass(&scene, &[], pass, &mut pool).unwrap();
    }
    let (mut found, mut looked) = (0, 0);
    for (x, y) in (40..88).flat_map(|x| (40..88).map(move |y| (x, y))) {
        let best = field.cell(x, y)[0];
        let right = truth.moved([x as f32 - 63.5, y as f32 - 63.5]);
        looked += 1;
        found += usize::from(best.cost < 1e-5 && best.transform.distance(&right) < 1.0);
    }
    assert!(found * 10 > looked * 9, "{found} of {looked}");
}

#[test]
fn back_projection_leaves_what_shrinks_to_the_picture() {
    let picture = waves(Size::new(40, 30));
    for size in [Size::new(160, 120), Size::new(50, 38)] {
        // Not at all the picture: it comes from back-projection alone.
        let high = back_project(Plane { data: vec![0.5; size.area()], size }, &picture);
        let shrunk = resize(&high, picture.size, Filter::Bicubic);
        let worst = shrunk.data.iter().zip(&picture.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 0.5 / 255.0, "{size}: {worst}");
    }
}

#[test]
fn steps_lead_to_the_very_size() {
    let sizes = |scale| {
        let ladder = Ladder::new(Size::new(64, 48), scale);
        let sizes: Vec<_> = (ladder.below() + 1..ladder.len()).map(|i| ladder.size(i).width).collect();
        assert_eq!(ladder.size(ladder.below()), Size::new(64, 48));
        assert_eq!(ladder.size(ladder.len() - 1), Size::new(64 * scale, 48 * scale));
        sizes
    };
    assert_eq!(sizes(2), [81, 102, 128]);
    assert_eq!(sizes(4), [81, 102, 128, 161, 203, 256]);
    assert_eq!(sizes(3).len(), 5);
}

#[test]
fn the_horizon_of_a_grid_in_perspective_is_found() {
    // Lines of a plane at right angles, seen with the horizon 1 + 0.008 x = 0, four samples a pixel each way.
    let line = |t: f32| f32::from((t * 0.06).fract() > 0.4);
    let picture = Plane::from_fn(Size::new(160, 160), |x, y| {
        let sample = |i: usize| {
            let (x, y) = (x as f32 + (i % 4) as f32 / 4.0 - 0.375, y as f32 + (i / 4) as f32 / 4.0 - 0.375);
            let depth = 1.0 + 0.008 * x;
            0.2 + 0.3 * line(5.0 + x / depth) + 0.3 * line(5.0 + y / depth)
        };
        (0..16).map(sample).sum::<f32>() / 16.0
    });
    let found = horizons(&picture);
    assert!(found.iter().any(|Horizon([h, k])| (h - 0.008).abs() < 0.001 && k.abs() < 0.001), "{found:?}");
    assert!(horizons(&Plane::new(Size::new(40, 40))).is_empty());
}

/// A texture of rings at two sizes, sixteen samples a pixel.
fn rings(size: Size) -> Plane {
    let ring = |x: f32, y: f32, period: f32| {
        let (u, v) = (x.rem_euclid(period) / period - 0.5, y.rem_euclid(period) / period - 0.5);
        if (0.2..0.38).contains(&u.hypot(v)) { 0.9 } else { 0.15 }
    };
    Plane::from_fn(size, |x, y| {
        let sample = |i: usize| {
            let (x, y) = (x as f32 + (i % 4) as f32 / 4.0, y as f32 + (i / 4) as f32 / 4.0);
            if x < size.width as f32 / 2.0 { ring(x, y, 40.0) } else { ring(x, y, 20.0) }
        };
        (0..16).map(sample).sum::<f32>() / 16.0
    })
}

#[test]
fn a_texture_at_two_scales_is_enlarged_better_than_by_bicubic() {
    let truth = rings(Size::new(160, 120));
    for scale in [2, 4] {
        let picture = resize(&truth, Size::new(160 / scale, 120 / scale), Filter::Bicubic);
        let made = upscaled(&picture, scale, 2).unwrap();
        let bicubic = resize(&picture, truth.size, Filter::Bicubic);
        let (own, plain) = (psnr(&made, &truth), psnr(&bicubic, &truth));
        assert!(own > plain + 1.5, "x{scale}: {own} dB, bicubic {plain} dB");
    }
}

#[test]
fn runs_and_threads_make_the_same_bytes() {
    let picture = waves(Size::new(30, 26));
    let first = upscaled(&picture, 3, 1).unwrap();
    for threads in [1, 2, 5] {
        let again = upscaled(&picture, 3, threads).unwrap();
        let same = first.data.iter().zip(&again.data).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "{threads} threads");
    }
}

#[test]
fn tiny_narrow_and_constant_pictures_work() {
    for (width, height) in [(1, 1), (3, 100), (16, 16), (17, 5)] {
        let size = Size::new(width, height);
        let made = upscaled(&waves(size), 2, 1).unwrap();
        assert!(made.data.iter().all(|v| (0.0..=1.0).contains(v)), "{size}");
        let constant = upscaled(&Plane { data: vec![0.3; size.area()], size }, 2, 1).unwrap();
        assert!(constant.data.iter().all(|v| (v - 0.3).abs() < 1e-5), "{size}");
    }
    let broken = Plane { data: vec![f32::NAN; 400], size: Size::new(20, 20) };
    assert_eq!(upscaled(&broken, 2, 1).unwrap().data.len(), 1600);
}

#[test]
fn what_is_too_small_or_too_large_is_refused() {
    let method = SelfExemplar::new(4).unwrap();
    let refused = |width, height| method.plan(Size::new(width, height)).err().unwrap();
    assert!(refused(15, 40).to_string().contains("no side below 16 pixels"));
    for (width, height) in [(1000, 1000), (16, 5000), (usize::MAX, 20)] {
        let error = refused(width, height);
        assert_eq!(error.kind(), Kind::Limit, "{error}");
    }
    assert!(refused(1000, 1000).to_string().contains("at most 8 megapixels"), "{}", refused(1000, 1000));
    assert!(method.plan(Size::new(700, 700)).is_ok());
    assert_eq!(method.working_bytes(Size::new(5000, 5000)), 0);
    assert!(method.working_bytes(Size::new(700, 700)) > 1 << 30);
    let mut plan = method.plan(Size::new(16, 16)).unwrap();
    assert!(plan.run(&[0.0; 255], &mut [0.0; 4096]).is_err());
    let card = method.card();
    assert!(card.validate().is_ok() && Card::from_toml(&card.to_toml().unwrap()).unwrap() == *card);
}

#[test]
fn names_are_understood() {
    let name = |text: &str, scale| SelfExemplar::by_name(text, scale).map(|it| it.map(|it| it.card.name));
    let made = |text: &str, scale| name(text, scale).unwrap().unwrap();
    assert_eq!((made("selfexsr", 3), made("selfexsr-x2", 4)), ("selfexsr-x3".into(), "selfexsr-x2".into()));
    assert_eq!((made("selfexsr", 1), made("selfexsr", 16)), ("selfexsr-x2".into(), "selfexsr-x8".into()));
    assert!(name("selfexsr-x9", 4).unwrap().is_err() && name("selfexsr-x1", 4).unwrap().is_err());
    assert!(name("selfexsrx2", 4).is_none() && name("medium-x4", 4).is_none() && name("selfexsr-xx", 4).is_none());
}
