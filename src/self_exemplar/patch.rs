//! Where a patch finds its twin, and how alike the two are.
//!
//! A target patch is the square of [`SIDE`] × [`SIDE`] pixels around a pixel t of the level that is being made. Its source lies in
//! a coarser level, under a homography of the plane. Written around t, with d the way from t, that is
//!
//! `T(t + d) = c + A·d / (1 + p·d)`
//!
//! with the source's centre c, the derivative A at t (scale, rotation, shear), and the tilt p (perspective). Inside a patch
//! |p·d| stays below 0.03, so the patch itself is sampled with A alone; a neighbour who takes the transformation over takes
//! it with its perspective ([`Transform::moved`]).

use super::pyramid::Level;
use crate::frame::Plane;
use crate::geometry::Size;

/// Pixels from a patch's centre to its edge.
pub(super) const RADIUS: usize = 2;
/// Pixels along a patch.
pub(super) const SIDE: usize = 2 * RADIUS + 1;
/// Pixels of a patch.
pub(super) const PIXELS: usize = SIDE * SIDE;
/// The largest scale of a transformation.
const LARGEST: f32 = 4.0;
/// Steepest tilt: |p·d| is at most 0.03 inside a patch.
pub(super) const STEEPEST: f32 = 0.01;
/// Sources end this far inside their level, so that rounding never leads out of it.
const MARGIN: f32 = 1e-3;
/// Fixed point: a pixel in units of its coordinates.
const ONE: f32 = 65536.0;

/// Samples of a patch, in the order of [`PLACES`].
pub(super) type Patch = [f32; PIXELS];

/// A homography written around a target pixel. Coordinates are pixels of the target's level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Transform {
    /// The source's centre: x, y.
    pub(super) centre: [f32; 2],
    /// The derivative there, row by row: how x and y change with the way to the right and down.
    pub(super) linear: [f32; 4],
    /// The perspective.
    pub(super) tilt: [f32; 2],
}

impl Transform {
    /// `scale` times as large, around `centre`.
    pub(super) const fn scaling(centre: [f32; 2], scale: f32) -> Self {
        Self { centre, linear: [scale, 0.0, 0.0, scale], tilt: [0.0; 2] }
    }

    /// Source pixels for one target pixel.
    pub(super) fn area(&self) -> f32 {
        let [a, b, c, d] = self.linear;
        (a * d - b * c).abs()
    }

    /// The same homography written around the target pixel `way` further on. With w = 1 + p·o for the way o:
    /// `c + A·o/w`, `A/w − (A·o) pᵀ/w²`, `p/w`.
    pub(super) fn moved(&self, way: [f32; 2]) -> Self {
        let ([a, b, c, d], [p, q]) = (self.linear, self.tilt);
        let w = 1.0 / (1.0 + p * way[0] + q * way[1]);
        let (x, y) = ((a * way[0] + b * way[1]) * w, (c * way[0] + d * way[1]) * w);
        Self {
            centre: [self.centre[0] + x, self.centre[1] + y],
            linear: [(a - x * p) * w, (b - x * q) * w, (c - y * p) * w, (d - y * q) * w],
            tilt: [p * w, q * w],
        }
    }

    /// The same homography in pixels of a level that has `across` and `down` times as many; coordinates have half-pixel
    /// centres.
    pub(super) fn refined(&self, [across, down]: [f32; 2]) -> Self {
        let [a, b, c, d] = self.linear;
        Self {
            centre: [(self.centre[0] + 0.5) * across - 0.5, (self.centre[1] + 0.5) * down - 0.5],
            linear: [a, b * across / down, c * down / across, d],
            tilt: [self.tilt[0] / across, self.tilt[1] / down],
        }
    }

    /// Displaced by `way`, and with the derivative multiplied by `change` from the left.
    pub(super) fn changed(&self, way: [f32; 2], change: [f32; 4]) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.linear, change);
        Self {
            centre: [self.centre[0] + way[0], self.centre[1] + way[1]],
            linear: [e * a + f * c, e * b + f * d, g * a + h * c, g * b + h * d],
            tilt: self.tilt,
        }
    }

    /// Whether `other` leads a patch to the same place, so far as a patch can tell.
    pub(super) fn equals(&self, other: &Self) -> bool {
        let far: f32 = self.linear.iter().zip(&other.linear).map(|(a, b)| (a - b).abs()).sum();
        self.distance(other) < 0.05 && far < 0.02
    }

    /// The larger of the distances between the centres along x and y.
    pub(super) fn distance(&self, other: &Self) -> f32 {
        (self.centre[0] - other.centre[0]).abs().max((self.centre[1] - other.centre[1]).abs())
    }
}

/// A transformation in the pixels of the level in which its source lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// Which of the scene's sources.
    source: usize,
    centre: [f32; 2],
    linear: [f32; 4],
}

/// A level as a source of patches.
#[derive(Debug)]
struct Source<'a> {
    level: &'a Level,
    /// Pixels of this level for one of the target's, across and down.
    ratio: [f32; 2],
    /// Transformations up to this area take this level, where its pixels are nearest to the target's in size.
    most_area: f32,
}

/// What is matched: the target, and the levels below it.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    target: &'a Plane,
    /// From the level just below the target downwards.
    sources: Vec<Source<'a>>,
    least_area: f32,
}

/// The ways from a patch's centre to its pixels, to the right and down: first those far apart, which tell the most.
pub(super) const PLACES: [(i32, i32); PIXELS] = [
    (-2, -2),
    (2, -2),
    (-2, 2),
    (2, 2),
    (0, 0),
    (0, -2),
    (-2, 0),
    (2, 0),
    (0, 2),
    (0, -1),
    (-1, 0),
    (1, 0),
    (0, 1),
    (-1, -1),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-2, -1),
    (2, 1),
    (1, 2),
    (-1, -2),
    (2, -1),
    (-2, 1),
    (1, -2),
    (-1, 2),
];

impl<'a> Scene<'a> {
    /// A target whose sources are `levels`, the coarsest first, each `step` times the one before and the last a step
    /// below the target.
    pub(super) fn new(target: &'a Plane, levels: &'a [Level], step: f32) -> Self {
        let source = |(k, level): (usize, &'a Level)| {
            let size = level.high.size;
            let ratio = |own: usize, target: usize| own as f32 / target as f32;
            Source {
                level,
                ratio: [ratio(size.width, target.size.width), ratio(size.height, target.size.height)],
                // Halfway to the next level, in powers of the step.
                most_area: step.powi(2 * k as i32 + 3),
            }
        };
        let sources = levels.iter().rev().enumerate().map(source).collect();
        Self { target, sources, least_area: step * step * 0.81 }
    }

    /// Size of the target.
    pub(super) fn size(&self) -> Size {
        self.target.size
    }

    /// The target's samples around (`x`, `y`), which must be [`RADIUS`] pixels inside it.
    pub(super) fn patch(&self, x: usize, y: usize) -> Patch {
        let Size { width, .. } = self.target.size;
        let at = y * width + x;
        PLACES.map(|(dx, dy)| self.target.data[at.wrapping_add_signed(dy as isize * width as isize + dx as isize)])
    }

    /// The level whose pixels fit the scale of `transform`; `None` where the scale is out of bounds or the source patch
    /// is not wholly inside.
    pub(super) fn place(&self, transform: &Transform) -> Option<Placed> {
        let area = transform.area();
        if !(area >= self.least_area && area <= LARGEST * LARGEST * 1.002) {
            return None;
        }
        let fitting = self.sources.iter().position(|source| area <= source.most_area);
        let source = fitting.unwrap_or(self.sources.len().checked_sub(1)?);
        let Source { level, ratio: [across, down], .. } = &self.sources[source];
        let centre = [(transform.centre[0] + 0.5) * across - 0.5, (transform.centre[1] + 0.5) * down - 0.5];
        let [a, b, c, d] = transform.linear;
        let linear = [a * across, b * across, c * down, d * down];
        let inside = |at: f32, a: f32, b: f32, length: usize| {
            let reach = (a.abs() + b.abs()) * RADIUS as f32 + MARGIN;
            at - reach >= 0.0 && at + reach <= (length - 1) as f32
        };
        let size = level.low.size;
        let fits =
            inside(centre[0], linear[0], linear[1], size.width) && inside(centre[1], linear[2], linear[3], size.height);
        fits.then_some(Placed { source, centre, linear })
    }

    /// `1/n Σ (tᵢ − sᵢ − b)²` over the n pixels, with the b for which it is least (the mean of t − s): the distance between
    /// `patch` and the source in its level's low band. `None` where that is `bound` or more, which is often known after a few
    /// pixels: the sum of squares around the mean never shrinks when others join.
    pub(super) fn cost(&self, patch: &Patch, placed: &Placed, bound: f32) -> Option<f32> {
        let walk = Walk::new(&self.sources[placed.source].level.low, placed);
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        let bound = bound * PIXELS as f32;
        for (places, samples) in PLACES.as_chunks::<SIDE>().0.iter().zip(patch.as_chunks::<SIDE>().0) {
            for (place, sample) in places.iter().zip(samples) {
                let difference = sample - walk.sample(*place);
                sum += difference;
                squares += difference * difference;
            }
            count += SIDE as f32;
            let spread = squares - sum * sum / count;
            if spread >= bound || spread.is_nan() {
                return None;
            }
        }
        Some((squares - sum * sum / count).max(0.0) / PIXELS as f32)
    }

    /// The source's samples, low band and all of them.
    pub(super) fn samples(&self, placed: &Placed) -> [Patch; 2] {
        let Level { high, low } = self.sources[placed.source].level;
        [low, high].map(|plane| {
            let walk = Walk::new(plane, placed);
            PLACES.map(|place| walk.sample(place))
        })
    }
}

/// A way over a plane in fixed point.
struct Walk<'a> {
    plane: &'a Plane,
    centre: [i32; 2],
    linear: [i32; 4],
}

impl<'a> Walk<'a> {
    fn new(plane: &'a Plane, placed: &Placed) -> Self {
        let fixed = |value: f32| (value * ONE) as i32;
        Self { plane, centre: placed.centre.map(fixed), linear: placed.linear.map(fixed) }
    }

    /// The plane under the patch's pixel at (`dx`, `dy`), between the four pixels around.
    fn sample(&self, (dx, dy): (i32, i32)) -> f32 {
        let ([x, y], [a, b, c, d]) = (self.centre, self.linear);
        let (x, y) = (x + a * dx + b * dy, y + c * dx + d * dy);
        let width = self.plane.size.width;
        let at = (y >> 16) as usize * width + (x >> 16) as usize;
        let (right, down) = ((x & 0xffff) as f32 / ONE, (y & 0xffff) as f32 / ONE);
        let (above, below) = (&self.plane.data[at..at + 2], &self.plane.data[at + width..at + width + 2]);
        let upper = above[0] + (above[1] - above[0]) * right;
        let lower = below[0] + (below[1] - below[0]) * right;
        upper + (lower - upper) * down
    }
}
