//! What the engine runs: maps, each made from earlier ones. No arithmetic here, and no sizes: a network is for any picture.

use crate::kernel::stream::{Activation, ByteFilter, Filter, PixelShuffle, Quantum};

/// A map by its place in [`Network::maps`].
pub type MapId = usize;

/// Feature maps in the order in which they are made, and the planes that come of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Network {
    /// Channels of each input.
    pub inputs: Vec<usize>,
    /// Every map reads earlier ones only.
    pub maps: Vec<Map>,
    /// What comes out.
    pub outputs: Vec<Output>,
}

/// Channels of equal size.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Channels.
    pub channels: usize,
    /// Rows and columns for each of the input's.
    pub factor: usize,
    /// What lies around the map for those who read past it.
    pub border: Border,
    /// Numbers or bytes.
    pub format: Format,
    /// How it is made.
    pub make: Make,
    /// What it is made of.
    pub from: Vec<MapId>,
    /// A map that is added to a convolution.
    pub add: Option<MapId>,
}

/// What lies around a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// Zeros.
    Zero,
    /// The outermost pixels, repeated.
    Edge,
}

/// What a map holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Format {
    /// 32-bit floats.
    Float,
    /// Bytes.
    Bytes(Quantum),
}

/// How a map is made.
#[derive(Debug, Clone, PartialEq)]
pub enum Make {
    /// The planes of an input.
    Input(usize),
    /// Convolution of one or more maps, side by side.
    Convolve(Filter),
    /// Convolution of bytes.
    ConvolveBytes(ByteFilter),
    /// Numbers to bytes.
    Quantise,
    /// Bytes to numbers.
    Dequantise,
    /// The sum of maps, or one map, and what follows.
    Combine(Activation),
    /// Channels become pixels.
    Shuffle(PixelShuffle),
    /// Every pixel so many times, across and down.
    Repeat(usize),
}

/// Planes that come out: the sum of `terms`, of which each is shuffled or repeated to the same size.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Maps of the same factor.
    pub terms: Vec<(MapId, Spread)>,
    /// How phases become pixels.
    pub shuffle: PixelShuffle,
}

/// How a term becomes as large as the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Its channels are phases.
    Phases,
    /// Each pixel is repeated.
    Repeated,
}

impl Map {
    /// Every map that is read.
    pub fn reads(&self) -> impl Iterator<Item = MapId> {
        self.from.iter().copied().chain(self.add)
    }

    /// Side of the kernel that reads `from`; 1 for all but convolutions.
    pub fn side(&self) -> usize {
        match &self.make {
            Make::Convolve(filter) => filter.side,
            Make::ConvolveBytes(filter) => filter.side,
            _ => 1,
        }
    }

    /// How many times larger it is than what it reads.
    pub fn enlarges(&self) -> usize {
        match &self.make {
            Make::Shuffle(shuffle) => shuffle.factor,
            Make::Repeat(factor) => *factor,
            _ => 1,
        }
    }
}

impl Network {
    /// Output pixels for each input pixel; 1 where nothing comes out.
    pub fn scale(&self) -> usize {
        self.outputs.first().map_or(1, |output| self.output_scale(output))
    }

    /// Pixels of `output` for each input pixel.
    pub fn output_scale(&self, output: &Output) -> usize {
        output.terms.first().map_or(1, |&(map, _)| self.maps[map].factor) * output.shuffle.factor
    }

    /// Convolutions.
    pub fn convolutions(&self) -> usize {
        let is_one = |map: &&Map| matches!(map.make, Make::Convolve(_) | Make::ConvolveBytes(_));
        self.maps.iter().filter(is_one).count()
    }
}
