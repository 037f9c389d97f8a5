//! A level from its matches: every patch says what its pixels should be, and what the picture says is put right.

use super::patch::{PIXELS, PLACES, Patch, RADIUS, Scene};
use super::search::{Field, holds};
use super::threads::by_row;
use crate::error::Result;
use crate::frame::Plane;
use crate::geometry::Size;
use crate::kernel::pool::Pool;
use crate::resample::{Filter, resize};

/// Rows that are made together; the more, the fewer patches are sampled twice.
const BAND: usize = 16;
/// A match at this distance (a variance of samples of 0..1) counts half as much as a perfect one.
const HALF: f32 = 3e-5;
/// Rounds of back-projection.
const ROUNDS: usize = 10;

/// The level that the matches in `field` vote for. A pixel is the mean of what the patches over it say, weighed by how
/// good they match: the source's sample, shifted by the difference between the means of the target and of the
/// source's low band. `fallback` fills what no patch covers.
pub(super) fn vote(scene: &Scene<'_>, field: &Field, fallback: &Plane, pool: &mut Pool) -> Result<Plane> {
    let size = scene.size();
    let mut made = fallback.clone();
    by_row(pool, &mut made.data, size.width, BAND, |band, samples| {
        let rows = samples.len() / size.width;
        let (first, mut weights) = (band * BAND, vec![0.0; samples.len()]);
        let mut sums = vec![0.0; samples.len()];
        for y in first.saturating_sub(RADIUS)..first + rows + RADIUS {
            for x in (0..size.width).filter(|x| holds(size, *x, y)) {
                ballot(scene, field, [x, y], |row, column, weight, value| {
                    if let Some(row) = row.checked_sub(first).filter(|row| *row < rows) {
                        sums[row * size.width + column] += weight * value;
                        weights[row * size.width + column] += weight;
                    }
                });
            }
        }
        for ((sample, sum), weight) in samples.iter_mut().zip(sums).zip(weights) {
            if weight > 0.0 {
                *sample = sum / weight;
            }
        }
    })?;
    Ok(made)
}

/// What the patch around (`x`, `y`) says, to `count(row, column, weight, value)`.
fn ballot(scene: &Scene<'_>, field: &Field, [x, y]: [usize; 2], mut count: impl FnMut(usize, usize, f32, f32)) {
    let mean = |samples: &Patch| samples.iter().sum::<f32>() / PIXELS as f32;
    let wanted = mean(&scene.patch(x, y));
    for found in field.cell(x, y).iter().filter(|found| found.cost.is_finite()) {
        let Some(placed) = scene.place(&found.transform) else { continue };
        let [low, high] = scene.samples(&placed);
        let (shift, trust) = (wanted - mean(&low), HALF / (HALF + found.cost));
        for ((dx, dy), value) in PLACES.iter().zip(high) {
            count(y.wrapping_add_signed(*dy as isize), x.wrapping_add_signed(*dx as isize), trust, value + shift);
        }
    }
}

/// Iterative back-projection (Irani and Peleg 1991): `high` changed so that shrinking it gives `picture`. Every round adds
/// up(picture − down(high)), all by bicubic, and keeps samples within 0..1.
pub(super) fn back_project(mut high: Plane, picture: &Plane) -> Plane {
    for _ in 0..ROUNDS {
        let mut missing = shrunk(&high, picture.size);
        missing.data.iter_mut().zip(&picture.data).for_each(|(made, wanted)| *made = wanted - *made);
        let missing = resize(&missing, high.size, Filter::Bicubic);
        high.data.iter_mut().zip(&missing.data).for_each(|(made, missing)| *made = (*made + missing).clamp(0.0, 1.0));
    }
    high
}

/// `plane` as the picture would show it.
fn shrunk(plane: &Plane, size: Size) -> Plane {
    resize(plane, size, Filter::Bicubic)
}
