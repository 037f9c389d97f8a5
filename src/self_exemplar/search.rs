//! PatchMatch over transformations (Barnes 2010; Huang 2015, section 3.3): good matches spread to neighbours, and random
//! changes of them are tried at ever smaller distances.
//!
//! Every pass reads the field that the last one left and writes a new one, and every pixel has random numbers of its own,
//! so the result depends neither on the order of the pixels nor on the number of threads.

use super::patch::{Patch, RADIUS, Scene, Transform};
use super::planes::Horizon;
use super::threads::by_row;
use crate::error::Result;
use crate::geometry::Size;
use crate::kernel::pool::Pool;

/// Matches that are kept for a patch. Their average errs less than the best of them.
pub(super) const KEPT: usize = 4;
/// Matches of one patch lie at least this many of its pixels apart.
const APART: f32 = 2.0;
/// The first distance of the random search, as a share of the longer side.
const REACH: f32 = 0.125;
/// The last one, in pixels.
const NEAREST: f32 = 0.5;

/// Patches looked at in one pass for one target patch, most of them not to the end: the neighbours', and random ones at six
/// distances.
pub(super) const LOOKS: f64 = (KEPT * (4 + 6)) as f64;

/// A transformation and the distance between the patches that it joins; infinite where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Match {
    pub(super) transform: Transform,
    pub(super) cost: f32,
}

/// The matches of one patch, the best first.
pub(super) type Cell = [Match; KEPT];

const NONE: Match = Match { transform: Transform::scaling([0.0; 2], 1.0), cost: f32::INFINITY };

/// Matches of every patch of a target: a cell for each pixel, of which the outer [`RADIUS`] on each side stay empty.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    size: Size,
    cells: Vec<Cell>,
}

impl Field {
    /// No matches for patches of no picture.
    pub(super) const fn empty() -> Self {
        Self { size: Size::new(0, 0), cells: Vec::new() }
    }

    /// Bytes of a field for `size`.
    pub(super) const fn bytes(size: Size) -> u64 {
        (size.area() * size_of::<Cell>()) as u64
    }

    /// The matches of the patch around (`x`, `y`).
    pub(super) fn cell(&self, x: usize, y: usize) -> &Cell {
        &self.cells[y * self.size.width + x]
    }

    /// Whether a patch around column `x` and row `y` lies inside.
    fn holds(&self, x: usize, y: usize) -> bool {
        holds(self.size, x, y)
    }

    /// First matches for `scene`: those of `self`, the field of the level below, and each patch's own place at some scales.
    pub(super) fn begin(&self, scene: &Scene<'_>, scales: &[f32], pool: &mut Pool) -> Result<Self> {
        let size = scene.size();
        let first = |x: usize, y: usize, patch: &Patch, cell: &mut Cell| {
            for found in self.below(size, x, y) {
                offer(scene, patch, found, cell);
            }
            for &scale in scales {
                // A patch near the edge looks as near to it as its larger twin can.
                let reach = RADIUS as f32 * scale + 2.0;
                let clamp = |at: usize, side: usize| (at as f32).min((side - 1) as f32 - reach).max(reach);
                let centre = [clamp(x, size.width), clamp(y, size.height)];
                offer(scene, patch, Transform::scaling(centre, scale), cell);
            }
        };
        Self { size, cells: vec![[NONE; KEPT]; size.area()] }.each(scene, pool, first)
    }

    /// What the patch of the level below that lies under (`x`, `y`) of a level of `size` pixels has found.
    fn below(&self, size: Size, x: usize, y: usize) -> impl Iterator<Item = Transform> {
        let ratio = [size.width as f32 / self.size.width as f32, size.height as f32 / self.size.height as f32];
        let under = |at: usize, ratio: f32, side: usize| {
            let middle = ((at as f32 + 0.5) / ratio) as usize;
            middle.min(side.saturating_sub(RADIUS + 1)).max(RADIUS)
        };
        let (ux, uy) = (under(x, ratio[0], self.size.width), under(y, ratio[1], self.size.height));
        let way = |at: usize, under: usize, ratio: f32| at as f32 - ((under as f32 + 0.5) * ratio - 0.5);
        let way = [way(x, ux, ratio[0]), way(y, uy, ratio[1])];
        let cell = self.holds(ux, uy).then(|| self.cell(ux, uy)).into_iter().flatten();
        cell.filter(|found| found.cost.is_finite()).map(move |found| found.transform.refined(ratio).moved(way))
    }

    /// One pass: what the four neighbours have found, moved on to this patch, then random changes of what it has.
    pub(super) fn pass(&self, scene: &Scene<'_>, planes: &[Horizon], seed: u64, pool: &mut Pool) -> Result<Self> {
        let reach = self.size.width.max(self.size.height) as f32 * REACH;
        let improve = |x: usize, y: usize, patch: &Patch, cell: &mut Cell| {
            for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
                let (nx, ny) = (x.wrapping_add_signed(dx), y.wrapping_add_signed(dy));
                let neighbour = self.holds(nx, ny).then(|| self.cell(nx, ny));
                for found in neighbour.into_iter().flatten().filter(|found| found.cost.is_finite()) {
                    let moved = found.transform.moved([-dx as f32, -dy as f32]);
                    if !cell.iter().any(|own| own.transform.equals(&moved)) {
                        offer(scene, patch, moved, cell);
                    }
                }
            }
            let mut random = Random(seed.wrapping_mul(1 << 40) ^ ((y * self.size.width + x) as u64) << 8);
            for i in 0..KEPT {
                let (mut radius, mut depth) = (reach, 2.0);
                while radius > NEAREST && cell[i].cost.is_finite() {
                    let mut changed = random.change(&cell[i].transform, radius, depth);
                    // Half of them in the shape of one of the planes, where there are any.
                    if let Some(plane) = planes.get(random.below(2 * planes.len())) {
                        changed = plane.shape([x as f32, y as f32], &changed);
                    }
                    offer(scene, patch, changed, cell);
                    radius *= 0.5;
                    depth += 1.0;
                }
            }
        };
        self.clone().each(scene, pool, improve)
    }

    /// The distances anew, to another target.
    pub(super) fn judged_anew(self, scene: &Scene<'_>, pool: &mut Pool) -> Result<Self> {
        let judge = |_: usize, _: usize, patch: &Patch, cell: &mut Cell| {
            for found in &mut *cell {
                let placed = scene.place(&found.transform).filter(|_| found.cost.is_finite());
                let cost = placed.and_then(|placed| scene.cost(patch, &placed, f32::INFINITY));
                found.cost = cost.unwrap_or(f32::INFINITY);
            }
            cell.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        };
        self.each(scene, pool, judge)
    }

    /// Leads every cell with its patch through `change`.
    fn each<F>(mut self, scene: &Scene<'_>, pool: &mut Pool, change: F) -> Result<Self>
    where
        F: Fn(usize, usize, &Patch, &mut Cell) + Sync,
    {
        let size = self.size;
        by_row(pool, &mut self.cells, size.width, 1, |y, row| {
            for (x, cell) in row.iter_mut().enumerate().filter(|(x, _)| holds(size, *x, y)) {
                change(x, y, &scene.patch(x, y), cell);
            }
        })?;
        Ok(self)
    }
}

/// Whether a patch around column `x` and row `y` of a picture of `size` lies inside.
pub(super) fn holds(size: Size, x: usize, y: usize) -> bool {
    let inside = |at: usize, side: usize| at >= RADIUS && at < side.saturating_sub(RADIUS);
    inside(x, size.width) && inside(y, size.height)
}

/// Takes `transform` into `cell` where it is better than the worst of it, in the place of one that lies too near.
fn offer(scene: &Scene<'_>, patch: &Patch, transform: Transform, cell: &mut Cell) {
    let Some(placed) = scene.place(&transform) else { return };
    let near = cell.iter().position(|own| own.cost.is_finite() && own.transform.distance(&transform) < APART);
    let mut at = near.unwrap_or(KEPT - 1);
    let Some(cost) = scene.cost(patch, &placed, cell[at].cost) else { return };
    cell[at] = Match { transform, cost };
    while at > 0 && cell[at - 1].cost > cost {
        cell.swap(at - 1, at);
        at -= 1;
    }
}

/// splitmix64 (Steele 2014), one stream for each pixel and pass.
pub(super) struct Random(u64);

impl Random {
    /// The stream that belongs to `seed`.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// A whole number below `bound`; 0 where that is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// A number from −1 to 1.
    fn symmetric(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// `transform` displaced by up to `radius`, and turned, scaled and sheared by amounts that shrink with `depth`.
    fn change(&mut self, transform: &Transform, radius: f32, depth: f32) -> Transform {
        let scale = 1.0 + 0.5 * self.symmetric() / depth;
        // The tangent of half the angle makes a rotation without sine and cosine.
        let half = 0.2 * self.symmetric() / depth;
        let norm = scale / (1.0 + half * half);
        let (cos, sin) = ((1.0 - half * half) * norm, 2.0 * half * norm);
        let (across, down) = (0.025 * self.symmetric() / depth, 0.025 * self.symmetric() / depth);
        let change = [cos - sin * down, cos * across - sin, sin + cos * down, sin * across + cos];
        let way = [radius * self.symmetric(), radius * self.symmetric()];
        transform.changed(way, change)
    }
}
