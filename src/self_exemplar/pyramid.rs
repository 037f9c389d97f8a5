//! The picture at many sizes, each with what is left of it after a step down and up again: the examples.
//!
//! Neighbouring levels differ by a factor s, the root of the enlargement that makes a step about ∛2 (Huang 2015, section 4:
//! six steps make ×4). Level 0 is the coarsest; the picture itself lies `below` levels above it, the enlarged picture at
//! the top. Level l holds `high`, its pixels, and `low` = up(down(high)), the same pixels without the band that a step down
//! loses: a pair (low, high) says what that band looks like (Freedman and Fattal 2011, section 3).

use crate::frame::Plane;
use crate::geometry::Size;
use crate::resample::{Filter, resize};

/// Steps in which a side doubles.
const STEPS_A_DOUBLING: f64 = 3.0;
/// How far the pyramid goes down from the picture, as a share of its sides.
const COARSEST: f64 = 0.125;
/// Shortest side of a level: patches of the largest scale still find a place.
const SHORTEST: usize = 8;

/// The sizes of all levels.
#[derive(Debug, Clone)]
pub(super) struct Ladder {
    /// From the coarsest level to the enlarged picture, with one more below that only makes `low`.
    sizes: Vec<Size>,
    below: usize,
    step: f64,
}

impl Ladder {
    /// The levels that take a picture of `input` pixels to `scale` times that, which must not overflow.
    pub(super) fn new(input: Size, scale: usize) -> Self {
        let doublings = (scale as f64).log2();
        let above = (doublings * STEPS_A_DOUBLING).round().max(1.0) as i32;
        let step = (scale as f64).powf(1.0 / f64::from(above)).max(1.0 + f64::EPSILON);
        let size = |n: i32| {
            let factor = if n == above { scale as f64 } else { step.powi(n) };
            let side = |length: usize| ((length as f64 * factor).round() as usize).max(1);
            Size::new(side(input.width), side(input.height))
        };
        let kept = |n: i32| step.powi(-n) > COARSEST * 0.999 && size(-n).width.min(size(-n).height) >= SHORTEST;
        let below = (1..=32).take_while(|n| kept(*n)).count();
        let sizes = (-(below as i32) - 1..=above).map(size).collect();
        Self { sizes, below, step }
    }

    /// The factor between neighbouring levels.
    pub(super) fn step(&self) -> f64 {
        self.step
    }

    /// Levels below the picture.
    pub(super) fn below(&self) -> usize {
        self.below
    }

    /// Levels in all.
    pub(super) fn len(&self) -> usize {
        self.sizes.len() - 1
    }

    /// Size of level `index`.
    pub(super) fn size(&self, index: usize) -> Size {
        self.sizes[index + 1]
    }

    /// Size of the level below level `index`, which for level 0 is no level itself.
    fn under(&self, index: usize) -> Size {
        self.sizes[index]
    }
}

/// One level: what it shows, and what of that a step down and up leaves.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) high: Plane,
    pub(super) low: Plane,
}

/// All levels up to the one that was made last.
#[derive(Debug)]
pub(super) struct Pyramid {
    ladder: Ladder,
    levels: Vec<Level>,
}

impl Pyramid {
    /// The levels up to `picture`, each shrunk from it.
    pub(super) fn new(picture: &Plane, ladder: Ladder) -> Self {
        let mut pyramid = Self { levels: Vec::with_capacity(ladder.len()), ladder };
        for index in 0..=pyramid.ladder.below() {
            let size = pyramid.ladder.size(index);
            pyramid.push(if size == picture.size { picture.clone() } else { resize(picture, size, Filter::Bicubic) });
        }
        pyramid
    }

    /// The levels from the coarsest on.
    pub(super) fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Their sizes, and those still to come.
    pub(super) fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// The topmost level at the size of the next one, by which patches of that are recognised; `None` at the top.
    pub(super) fn next_low(&self) -> Option<Plane> {
        let size = (self.levels.len() < self.ladder.len()).then(|| self.ladder.size(self.levels.len()))?;
        self.levels.last().map(|top| resize(&top.high, size, Filter::Bicubic))
    }

    /// What is left of `high`, level `index`, after a step down and up.
    pub(super) fn lowered(&self, high: &Plane, index: usize) -> Plane {
        resize(&resize(high, self.ladder.under(index), Filter::Bicubic), high.size, Filter::Bicubic)
    }

    /// Puts the next level on top.
    pub(super) fn push(&mut self, high: Plane) {
        let low = self.lowered(&high, self.levels.len());
        self.levels.push(Level { high, low });
    }

    /// The topmost level's pixels.
    pub(super) fn into_top(mut self) -> Option<Plane> {
        self.levels.pop().map(|level| level.high)
    }
}
