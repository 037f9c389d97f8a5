//! Kernels of inference: a layer made row by row, from a few rows of the layer before.
//!
//! All rows of a picture's maps lie in one arena. A row holds its channels in blocks of [`BLOCK`]: block by block, pixel by
//! pixel, so that a pixel's neighbour is always [`BLOCK`] numbers away, whatever the number of channels. A picture's few planes may
//! stand one after the other instead, which are blocks of one channel. Before and behind a row lie as many pixels of border as
//! the widest kernel that reads it needs. What a value is does not depend on where a row
//! is cut into registers, nor on the instructions: sums run over rows of taps, sources, blocks, columns of taps and channels in
//! this order, each product rounded once with its sum.

mod accumulate;
mod bytes;
mod columns;
mod direct;
mod dots;
mod ends;
mod rows;
mod samples;
mod transforms;
mod winograd;

pub use bytes::{ByteFilter, ByteKernel, flip};
pub use columns::Columns;
pub use direct::Direct;
pub use ends::{OutputRows, PixelShuffle, Term, take_row};
pub use rows::{QuantiseRow, Quantum, combine_rows, dequantise_row, edge_row, repeat_row, shuffle_row};
pub use samples::{Samples, SamplesMut};
pub use winograd::{TILE, TileTask, Winograd};

/// Channels that stand together at a pixel.
pub const BLOCK: usize = 16;

/// Where a row lies in the arena, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Channel 0 of pixel 0.
    pub start: usize,
    /// From a block of channels to the next.
    pub block: usize,
    /// From a pixel to the next: as many channels as a block has, [`BLOCK`] or 1.
    pub pixel: usize,
}

impl Row {
    /// Where `channel` of pixel `x` lies.
    #[inline(always)]
    fn place(self, channel: usize, x: usize) -> usize {
        match self.pixel {
            1 => self.start + channel * self.block + x,
            _ => self.start + channel / BLOCK * self.block + x * BLOCK + channel % BLOCK,
        }
    }

    /// One past the last element of `channels` channels up to pixel `end`.
    fn end(self, channels: usize, end: usize) -> usize {
        self.start + (channels.div_ceil(self.pixel) - 1) * self.block + end * self.pixel
    }
}

/// What a convolution is: the same for every level and every method.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// Side of the kernel, odd.
    pub side: usize,
    /// Channels of each map that is read; the weights' inputs are theirs, one after the other.
    pub sources: Vec<usize>,
    /// Channels that are made.
    pub outputs: usize,
    /// `outputs × inputs × side × side` weights, cross-correlated as ONNX does it.
    pub weights: Vec<f32>,
    /// One for each output.
    pub bias: Vec<f32>,
    /// What follows.
    pub activation: Activation,
    /// Whether a map that is added comes before the activation.
    pub add_first: bool,
}

impl Filter {
    /// Channels read, all sources together.
    pub fn inputs(&self) -> usize {
        self.sources.iter().sum()
    }

    /// The weight of `output` for the input channel `input` at row and column of taps.
    fn weight(&self, output: usize, input: usize, row: usize, column: usize) -> f32 {
        self.weights[((output * self.inputs() + input) * self.side + row) * self.side + column]
    }
}

/// Every block of the channels of `sources`, which stand side by side in blocks of `size`.
fn input_blocks(sources: &[usize], size: usize) -> Vec<InputBlock> {
    let mut blocks = Vec::new();
    let mut first = 0;
    for (source, &channels) in sources.iter().enumerate() {
        for at in (0..channels).step_by(size) {
            let channels = (channels - at).min(size);
            blocks.push(InputBlock { source, block: at / size, first: first + at, channels });
        }
        first += channels;
    }
    blocks
}

/// Up to [`BLOCK`] input channels.
#[derive(Debug, Clone, Copy)]
struct InputBlock {
    source: usize,
    /// Counted inside its source.
    block: usize,
    /// Counted over all inputs.
    first: usize,
    channels: usize,
}

/// What becomes of a sum.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// Nothing.
    None,
    /// max(x, 0).
    Rectify,
    /// max(x, 0) + slope · min(x, 0), a slope for each output: PReLU and leaky ReLU.
    Slopes(Vec<f32>),
    /// Held between two numbers.
    Clip(f32, f32),
}

impl Activation {
    /// What becomes of one sum of `channel`.
    fn of(&self, channel: usize, sum: f32) -> f32 {
        match self {
            Self::None => sum,
            Self::Rectify => sum.max(0.0),
            Self::Slopes(_) if sum > 0.0 => sum,
            Self::Slopes(slopes) => sum * slopes.get(channel).copied().unwrap_or_default(),
            Self::Clip(low, high) => sum.max(*low).min(*high),
        }
    }

    /// The same with slopes for whole vectors.
    fn padded(&self, to: usize) -> Self {
        match self {
            Self::Slopes(slopes) => {
                let mut slopes = slopes.clone();
                slopes.resize(to, 0.0);
                Self::Slopes(slopes)
            }
            other => other.clone(),
        }
    }
}

/// Output vectors that are summed together.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// The first of them.
    first: usize,
    vectors: usize,
    /// Where its weights begin.
    at: usize,
}

/// Cuts `vectors` into groups of at most `most`, as even as can be; `each` weights belong to one vector.
fn groups(vectors: usize, most: usize, each: usize) -> Vec<Group> {
    let count = vectors.div_ceil(most);
    let start = |i: usize| i * vectors / count;
    (0..count).map(|i| Group { first: start(i), vectors: start(i + 1) - start(i), at: start(i) * each }).collect()
}

/// One call of a kernel: the rows that it reads, in the order in which the taps are summed, and what it writes.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// For each row of taps the row of every source.
    pub rows: &'a [Row],
    /// A row of as many channels as are made, which is added to them.
    pub add: Option<Row>,
    /// The row that is made.
    pub out: Row,
    /// Pixels.
    pub width: usize,
}
