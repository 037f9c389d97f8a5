//! The rungs of the governor's ladder, planned and ready: switching costs nothing.

use super::governor::Step;
use crate::device::stream::{Enlarger, FrameStages, Sparing, SparingOptions, StreamOptions, TileCount};
use crate::error::Result;
use crate::resample::Filter;
use crate::upscale::{Generator, Interpolation, TileOptions};
use crate::y4m::Header;
use std::sync::Arc;
use std::time::Duration;

/// Where generators come from.
pub trait Catalogue: Send + Sync {
    /// Opens the generator `name`, with a strength where it has one.
    ///
    /// # Errors
    /// Where there is none of that name, or it cannot be read.
    fn open(&self, name: &str, strength: Option<f32>) -> Result<Arc<dyn Generator>>;

    /// The names of those that could be chosen.
    fn names(&self) -> Vec<String>;

    /// The generator that does the same with clearly less work, where there is one.
    fn smaller(&self, name: &str) -> Option<String>;

    /// How strong `name` may be made: its strength where nothing is asked, or `None` where it has one end only.
    fn strength(&self, name: &str) -> Option<f32>;
}

/// How frames are enlarged on every rung.
#[derive(Debug, Clone, Copy)]
pub struct LadderOptions {
    /// Output pixels for an input pixel, along each side.
    pub scale: f64,
    /// Threads that share a frame.
    pub threads: usize,
    /// Longest side of a tile, where it is not to be chosen.
    pub tile: Option<usize>,
    /// How unchanged tiles are told, where they are not to be computed again.
    pub sparing: Option<SparingOptions>,
    /// Whether there are rungs below the first.
    pub governed: bool,
}

/// The generator that is wished for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wished {
    pub(super) model: String,
    pub(super) strength: Option<f32>,
}

/// What can be stepped down to, planned for one size of frame.
pub(super) struct Ladder {
    /// The best first.
    pub(super) steps: Vec<Step>,
    /// The rung of each step: some share one.
    places: Vec<usize>,
    rungs: Vec<Rung>,
}

/// A generator, ready for one size of frame.
pub(super) struct Rung {
    /// The generator's name.
    pub(super) name: String,
    work: Work,
}

enum Work {
    Whole(Box<Enlarger>),
    Sparing(Box<Sparing>),
}

impl Rung {
    fn new(generator: Arc<dyn Generator>, header: &Header, options: &LadderOptions) -> Result<Self> {
        let name = generator.card().name.clone();
        let tiles = TileOptions { side: options.tile, threads: options.threads };
        let stream =
            StreamOptions { generator, scale: options.scale, tiles, range: None, matrix: None, max_memory: None };
        let work = match options.sparing {
            Some(sparing) => Work::Sparing(Box::new(Sparing::new(header, &stream, sparing)?)),
            None => Work::Whole(Box::new(Enlarger::new(header, &stream)?)),
        };
        Ok(Self { name, work })
    }

    /// Plain bicubic: planned in no time.
    pub(super) fn bicubic(header: &Header, options: &LadderOptions) -> Result<Self> {
        let generator = Interpolation::new(Filter::Bicubic, options.scale.ceil() as usize)?;
        Self::new(Arc::new(generator), header, options)
    }

    /// What comes out.
    pub(super) fn output(&self) -> &Header {
        match &self.work {
            Work::Whole(enlarger) => enlarger.output(),
            Work::Sparing(sparing) => sparing.output(),
        }
    }

    /// Enlarges one frame.
    pub(super) fn run(&mut self, small: &[u8], large: &mut [u8], now: Duration) -> Result<(TileCount, FrameStages)> {
        match &mut self.work {
            Work::Whole(enlarger) => {
                enlarger.run(small, large)?;
                Ok((TileCount { run: 1, reused: 0 }, enlarger.stages()))
            }
            Work::Sparing(sparing) => Ok((sparing.run(small, large, now)?, sparing.stages())),
        }
    }

    /// The rung was left: what it kept is old.
    pub(super) fn rest(&mut self) {
        if let Work::Sparing(sparing) = &mut self.work {
            sparing.forget();
        }
    }
}

impl Ladder {
    /// Bicubic alone: planned in no time.
    pub(super) fn bicubic(header: &Header, options: &LadderOptions) -> Result<Self> {
        Ok(Self { steps: vec![Step::Bicubic], places: vec![0], rungs: vec![Rung::bicubic(header, options)?] })
    }

    /// Opens and plans all rungs for frames of `header`.
    ///
    /// # Errors
    /// Where the first generator cannot be opened or planned; a smaller one that cannot is left out.
    pub(super) fn plan(
        catalogue: &dyn Catalogue,
        wish: &Wished,
        header: &Header,
        options: &LadderOptions,
    ) -> Result<Self> {
        let first = Rung::new(catalogue.open(&wish.model, wish.strength)?, header, options)?;
        let mut ladder = Self { steps: vec![Step::Full], places: vec![0], rungs: vec![first] };
        if !options.governed {
            return Ok(ladder);
        }
        if let Some(smaller) = catalogue.smaller(&wish.model) {
            match catalogue.open(&smaller, None).and_then(|generator| Rung::new(generator, header, options)) {
                Ok(rung) => ladder.push(Step::Smaller, rung),
                Err(error) => log::warn!("{smaller} cannot stand in for {}: {error}", wish.model),
            }
        }
        ladder.steps.push(Step::HalfRate);
        ladder.places.push(ladder.rungs.len() - 1);
        ladder.push(Step::Bicubic, Rung::bicubic(header, options)?);
        Ok(ladder)
    }

    fn push(&mut self, step: Step, rung: Rung) {
        self.steps.push(step);
        self.places.push(self.rungs.len());
        self.rungs.push(rung);
    }

    /// The rung of step number `place`.
    pub(super) fn rung(&mut self, place: usize) -> &mut Rung {
        let place = self.places.get(place).copied().unwrap_or(0);
        &mut self.rungs[place]
    }

    /// What comes out of every rung.
    pub(super) fn output(&self) -> &Header {
        self.rungs[0].output()
    }
}
