//! The one idea that device, host and plain resampling share: low-resolution planes in, high-resolution planes out.

use crate::card::{Card, Tiling};
use crate::engine::Ends;
use crate::error::Result;
use crate::geometry::Size;
use std::ops::Range;

/// A network, a session or a resampler that enlarges planes by its card's scale.
pub trait Generator: Send + Sync {
    /// What it expects and gives.
    fn card(&self) -> &Card;

    /// Prepares for inputs of exactly `input` pixels. Everything that allocates or compiles happens here.
    ///
    /// # Errors
    /// A model error where the network does not accept that size.
    fn plan(&self, input: Size) -> Result<Box<dyn Plan>>;

    /// As [`Generator::plan`], for a plan that may keep `threads` threads busy: a generator that takes pictures whole has no
    /// other way to use them. No bit may depend on their number. Unless the generator says otherwise, one is used.
    ///
    /// # Errors
    /// Those of [`Generator::plan`].
    fn plan_on(&self, input: Size, threads: usize) -> Result<Box<dyn Plan>> {
        let _ = threads;
        self.plan(input)
    }

    /// How pictures must be cut so that no bit depends on the cut.
    fn footing(&self) -> Footing {
        Footing::of(self.card())
    }

    /// Bytes that one plan for `input` takes while it runs, beside the samples that go in and come out. Unless the
    /// generator knows better: feature maps as wide as its multiply-adds suggest, ten of them at once.
    fn working_bytes(&self, input: Size) -> u64 {
        let card = self.card();
        let layers = match card.tiling {
            Tiling::Halo(halo) => halo.max(1) as f64,
            Tiling::Whole(_) => 1.0,
        };
        let channels = (card.mac_per_pixel / (9.0 * layers)).sqrt().max((card.colour.planes() * card.scale) as f64);
        (10.0 * 4.0 * channels * input.width as f64 * input.height as f64) as u64
    }
}

/// How a picture must be cut for a generator so that the bits of a pixel do not depend on the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footing {
    /// Pixels around a pixel that its bits depend on: the card's halo, or more where rounding looks farther than values do.
    pub halo: usize,
    /// Windows begin at multiples of this.
    pub alignment: usize,
    /// Whether plans have [`Plan::rows`]: any rows of a picture are made from where its rows lie, with no window copied.
    pub streams: bool,
}

impl Footing {
    /// What the card says.
    pub fn of(card: &Card) -> Self {
        let halo = match card.tiling {
            Tiling::Halo(halo) => halo,
            Tiling::Whole(_) => 0,
        };
        Self { halo, alignment: 1, streams: false }
    }
}

/// Makes any rows of a picture that is as large as planned.
pub trait RowPlan {
    /// Makes the rows that the picture's rows `rows` become. Reads through `ends` what rows it needs of input 0, and writes
    /// output 0; samples are 0.0 to 1.0 and may overshoot.
    ///
    /// # Errors
    /// A model error where the network fails; never a panic, whatever the samples are.
    fn run_rows(&mut self, rows: Range<usize>, ends: &mut dyn Ends) -> Result<()>;
}

/// A generator made ready for one input size; each thread owns its own.
pub trait Plan: Send {
    /// Reads `planes × height × width` samples from 0.0 to 1.0 and writes `planes × height·scale × width·scale` samples
    /// on the same footing, which may overshoot 0..1 and are not clamped. Value ranges such as 0…255 are this
    /// function's business, not the caller's.
    ///
    /// # Errors
    /// A model error where the network fails; never a panic, whatever the samples are.
    fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()>;

    /// The plan as one that makes rows, where it can.
    fn rows(&mut self) -> Option<&mut dyn RowPlan> {
        None
    }
}
