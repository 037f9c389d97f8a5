//! Enlarging without learning: the picture's own details, seen at other scales and turned, serve as examples.
//!
//! SelfExSR (Huang, Singh and Ahuja 2015, "Single Image Super-Resolution from Transformed Self-Exemplars"). A picture is
//! enlarged in steps of about ∛2. In each, every patch of 5 × 5 pixels of the step's blurred beginning looks for its like
//! in the coarser levels, under translations, rotations, scales, shears and perspectives; what its like has beside the blur
//! is what it should have. The patches vote, and back-projection sees to it that the result, shrunk, is the picture.
//!
//! ```text
//! picture ─▸ pyramid ─▸ blurred next level ─▸ PatchMatch ─▸ vote ─▸ back-projection ─▸ next level ─┐
//!               ▲                ▲                                        │ down and up, once      │
//!               │                └────────────────────────────────────────┘                        │
//!               └───────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Beyond the paper, a patch keeps several matches and averages them by how good they are. Luma only; one picture is
//! searched whole, so it cannot be cut into tiles.

mod patch;
mod planes;
mod pyramid;
mod search;
mod threads;
mod vote;

use crate::card::{Card, Colour, Precision, Tiling};
use crate::error::{Error, Result};
use crate::frame::Plane;
use crate::geometry::Size;
use crate::kernel::pool::Pool;
use crate::upscale::{Generator, Plan};
use patch::Scene;
use planes::Horizon;
use pyramid::{Ladder, Pyramid};
use search::Field;
use std::collections::BTreeMap;

/// The method's name, before `-x4` and the like.
pub const NAME: &str = "selfexsr";

/// Pixels of a result at most: some gigabytes of matches, and minutes.
const MOST_PIXELS: usize = 1 << 23;
/// Longest side of a result: so far, coordinates are exact enough.
const LONGEST: usize = 1 << 14;
/// Shortest side of a picture: it has a coarser level in which patches find a place.
const SHORTEST: usize = 16;
/// How often a level is searched, each time with a better idea of its blur.
const ROUNDS: u64 = 2;
/// Passes of PatchMatch in a round.
const PASSES: u64 = 3;

/// Super-resolution from transformed self-exemplars, as a generator without weights.
#[derive(Debug)]
pub struct SelfExemplar {
    card: Card,
}

impl SelfExemplar {
    /// Enlargement by `scale`, 2 to 8.
    ///
    /// # Errors
    /// A usage error for another scale.
    pub fn new(scale: usize) -> Result<Self> {
        if !(2..=8).contains(&scale) {
            return Err(Error::usage(format!("{NAME} by {scale} is not between 2 and 8"))
                .fix("for another factor, let --scale resample what it makes"));
        }
        let card = Card {
            name: format!("{NAME}-x{scale}"),
            scale,
            colour: Colour::Luma,
            range: [0.0, 1.0],
            tiling: Tiling::Whole("it searches the whole picture".into()),
            precision: Precision::F32,
            parameters: 0,
            mac_per_pixel: work(scale),
            fixed_size: None,
            min_side: SHORTEST,
            multiple: 1,
            digest: String::new(),
            training: BTreeMap::new(),
            scores: BTreeMap::new(),
        };
        Ok(Self { card })
    }

    /// The method and scale of a name such as `selfexsr-x3`, or `selfexsr` alone, which is then by the scale it has that is
    /// nearest to `scale`; `None` where it names something else.
    pub fn by_name(name: &str, scale: usize) -> Option<Result<Self>> {
        if name == NAME {
            return Some(Self::new(scale.clamp(2, 8)));
        }
        let scale = name.strip_prefix(NAME)?.strip_prefix("-x")?;
        Some(Self::new(scale.parse().ok()?))
    }

    /// Whether a picture of `input` pixels can be enlarged.
    fn check(&self, input: Size) -> Result<Size> {
        let Card { name, scale, .. } = &self.card;
        if input.width.min(input.height) < SHORTEST {
            return Err(Error::model(format!("'{name}' takes no side below {SHORTEST} pixels, not {input}")));
        }
        let large = input.checked_scale(*scale)?;
        if large.area() > MOST_PIXELS || large.width.max(large.height) > LONGEST {
            let megapixels = MOST_PIXELS / 1_000_000;
            let most = format!("at most {megapixels} megapixels and {LONGEST} pixels a side");
            return Err(Error::limit(format!("'{name}' makes pictures of {most}, not {large}"))
                .fix("shrink or cut the picture, enlarge it less, or take a model that works in tiles"));
        }
        Ok(large)
    }
}

/// Multiply-adds for one pixel of the picture: so many patches, looked at so often.
fn work(scale: usize) -> f64 {
    // The levels that are made have about 2.7 times the result's pixels.
    let patches = 2.7 * (scale * scale) as f64;
    patches * (ROUNDS * PASSES) as f64 * search::LOOKS * (patch::PIXELS * 6) as f64
}

impl Generator for SelfExemplar {
    fn card(&self) -> &Card {
        &self.card
    }

    fn plan(&self, input: Size) -> Result<Box<dyn Plan>> {
        self.plan_on(input, 1)
    }

    fn plan_on(&self, input: Size, threads: usize) -> Result<Box<dyn Plan>> {
        self.check(input)?;
        let pool = Pool::new(NAME, threads.max(1)).map_err(|e| {
            Error::limit("the system gives no more threads").fix("ask for fewer --threads").caused_by(e)
        })?;
        Ok(Box::new(Search { size: input, scale: self.card.scale, pool }))
    }

    fn working_bytes(&self, input: Size) -> u64 {
        // What is too large needs nothing: planning it will say why.
        self.check(input).map_or(0, |large| 2 * Field::bytes(large) + 15 * (4 * large.area() as u64))
    }
}

/// A plan for pictures of one size. How much a search holds depends on the level, so it allocates as it goes.
struct Search {
    size: Size,
    scale: usize,
    pool: Pool,
}

impl Plan for Search {
    fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()> {
        if input.len() != self.size.area() || output.len() != self.size.checked_scale(self.scale)?.area() {
            return Err(Error::internal(format!("samples do not fit a plane of {}", self.size)));
        }
        let picture = Plane { size: self.size, data: input.to_vec() };
        output.copy_from_slice(&enlarge(&picture, self.scale, &mut self.pool)?.data);
        Ok(())
    }
}

/// `picture`, whose sides are at least [`SHORTEST`], `scale` times as large.
fn enlarge(picture: &Plane, scale: usize, pool: &mut Pool) -> Result<Plane> {
    let mut pyramid = Pyramid::new(picture, Ladder::new(picture.size, scale));
    let planes = planes::horizons(picture);
    let mut field = Field::empty();
    while let Some(blurred) = pyramid.next_low() {
        let task = Task { picture, planes: &planes, pyramid: &pyramid };
        let high;
        (high, field) = task.level(blurred, &field, pool)?;
        pyramid.push(high);
    }
    pyramid.into_top().ok_or_else(|| Error::internal("a pyramid without levels"))
}

/// What the next level is made from.
struct Task<'a> {
    picture: &'a Plane,
    /// Planes seen in perspective, in the picture's pixels.
    planes: &'a [Horizon],
    pyramid: &'a Pyramid,
}

impl Task<'_> {
    /// The next level, which begins as `blurred`, and where its patches come from; `below` says it for the level below.
    fn level(&self, blurred: Plane, below: &Field, pool: &mut Pool) -> Result<(Plane, Field)> {
        let (levels, index) = (self.pyramid.levels(), self.pyramid.levels().len());
        let step = self.pyramid.ladder().step() as f32;
        let ratio = |of: usize, to: usize| of as f32 / to as f32;
        let (size, small) = (blurred.size, self.picture.size);
        let ratio = [ratio(size.width, small.width), ratio(size.height, small.height)];
        let planes: Vec<Horizon> = self.planes.iter().map(|plane| plane.refined(ratio)).collect();
        let mut target = blurred;
        let mut field = below.begin(&Scene::new(&target, levels, step), &[step, step * step, 2.0], pool)?;
        let mut round = 0;
        loop {
            let scene = Scene::new(&target, levels, step);
            for pass in 0..PASSES {
                field = field.pass(&scene, &planes, (index as u64 * ROUNDS + round) * PASSES + pass, pool)?;
            }
            let high = vote::back_project(vote::vote(&scene, &field, &target, pool)?, self.picture);
            round += 1;
            if round == ROUNDS {
                return Ok((high, field));
            }
            // What is left of the level after a step down and up is what its patches should be recognised by.
            target = self.pyramid.lowered(&high, index);
            field = field.judged_anew(&Scene::new(&target, levels, step), pool)?;
        }
    }
}

#[cfg(test)]
mod tests;
