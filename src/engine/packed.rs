//! A network packed for one level of instructions: shared by every thread and size.

use super::network::{Format, Make, Map, MapId, Network, Spread};
use crate::kernel::Level;
use crate::kernel::stream::{ByteKernel, Columns, Direct, Filter, TILE, Winograd};

/// Fewest input channels for which Winograd's transforms pay.
const WINOGRAD_INPUTS: usize = 8;

/// How a map's rows are computed.
#[derive(Debug, Clone)]
pub(super) enum Kernel {
    Direct(Direct),
    Columns(Columns),
    Winograd(Winograd),
    Bytes(ByteKernel),
    /// What needs no weights.
    Plain,
}

/// A network with its weights in the order in which the kernels read them.
#[derive(Debug, Clone)]
pub struct Packed {
    network: Network,
    level: Level,
    kernels: Vec<Kernel>,
    /// For each map how its tiles are shifted, see [`Packed::shift`].
    shifts: Vec<usize>,
    /// For each map whether its channels stand one after the other.
    planar: Vec<bool>,
}

/// How 3×3 convolutions of floats are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By minimal filtering where it pays. What a pixel is depends on its place among tiles of 4 × 4, by rounding only.
    Winograd,
    /// As they are written.
    Direct,
}

#[cfg(test)]
thread_local! {
    /// Networks that this thread packed.
    static PACKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Networks that this thread packed, for tests of what comes before.
#[cfg(test)]
pub(crate) fn packed_so_far() -> usize {
    PACKED.get()
}

impl Packed {
    /// Packs `network` for `level`.
    pub fn new(mut network: Network, level: Level, method: Method) -> Self {
        #[cfg(test)]
        PACKED.set(PACKED.get() + 1);
        let planar = planar(&network);
        let kernel = |map: &Map| match &map.make {
            Make::Convolve(filter) if method == Method::Winograd && pays(filter) => {
                Kernel::Winograd(Winograd::new(level, filter))
            }
            Make::Convolve(filter) => {
                let planar = map.from.iter().all(|&from| planar[from]);
                if Columns::pays(filter) {
                    Kernel::Columns(Columns::new(level, filter, planar))
                } else {
                    Kernel::Direct(Direct::new(level, filter, planar))
                }
            }
            Make::ConvolveBytes(filter) => Kernel::Bytes(ByteKernel::new(level, filter)),
            _ => Kernel::Plain,
        };
        let kernels: Vec<Kernel> = network.maps.iter().map(kernel).collect();
        // The kernels hold the weights now.
        for map in &mut network.maps {
            match &mut map.make {
                Make::Convolve(filter) => filter.weights = Vec::new(),
                Make::ConvolveBytes(filter) => filter.weights = Vec::new(),
                _ => {}
            }
        }
        let mut shifts: Vec<usize> = Vec::with_capacity(kernels.len());
        for (map, kernel) in network.maps.iter().zip(&kernels) {
            let before = map.from.first().map_or(0, |&from| shifts[from]);
            shifts.push(if matches!(kernel, Kernel::Winograd(_)) { (before + 1) % TILE } else { before });
        }
        Self { network, level, kernels, shifts, planar }
    }

    /// What is packed, without the weights of its convolutions.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The instructions that are used.
    pub fn level(&self) -> Level {
        self.level
    }

    pub(super) fn kernel(&self, map: MapId) -> &Kernel {
        &self.kernels[map]
    }

    /// Rows of a map that are made together.
    pub(super) fn grain(&self, map: MapId) -> usize {
        match &self.kernels[map] {
            Kernel::Winograd(_) => TILE,
            _ => self.network.maps[map].enlarges(),
        }
    }

    /// How many rows earlier than at multiples of a tile's rows the tiles of a map begin. A layer's tiles begin a row before
    /// those of the layer that it reads, so that four new rows there are just what four rows here need: fewer are kept.
    pub(super) fn shift(&self, map: MapId) -> usize {
        if matches!(self.kernels[map], Kernel::Winograd(_)) { self.shifts[map] } else { 0 }
    }

    /// What makes the rows of `map`, in a few words.
    pub fn describe(&self, map: MapId) -> String {
        let maps = &self.network.maps;
        let made = &maps[map];
        let inputs: usize = made.from.iter().map(|&from| maps[from].channels).sum();
        let (side, outputs) = (made.side(), made.channels);
        let added = if made.add.is_some() { " and sum" } else { "" };
        match (&made.make, &self.kernels[map]) {
            (Make::Input(_), _) => "taking the picture's rows".into(),
            (_, Kernel::Winograd(_)) => format!("convolution {side}x{side} {inputs} to {outputs}{added}, Winograd"),
            (_, Kernel::Direct(_)) => format!("convolution {side}x{side} {inputs} to {outputs}{added}, direct"),
            (_, Kernel::Columns(_)) => format!("convolution {side}x{side} {inputs} to {outputs}{added}, by columns"),
            (_, Kernel::Bytes(_)) => format!("convolution {side}x{side} {inputs} to {outputs}, bytes"),
            (Make::Quantise, _) => "numbers to bytes".into(),
            (Make::Dequantise, _) => "bytes to numbers".into(),
            (Make::Shuffle(_), _) => "pixel shuffle".into(),
            (Make::Repeat(_), _) => "repeating pixels".into(),
            _ => "sum".into(),
        }
    }

    /// Multiply-adds of the plain convolution for each pixel of the picture that `map` takes.
    pub fn mac_per_pixel(&self, map: MapId) -> usize {
        let (maps, made) = (&self.network.maps, &self.network.maps[map]);
        let inputs: usize = made.from.iter().map(|&from| maps[from].channels).sum();
        match made.make {
            Make::Convolve(_) | Make::ConvolveBytes(_) => {
                inputs * made.channels * made.side() * made.side() * made.factor * made.factor
            }
            _ => 0,
        }
    }

    /// The number of which windows of a picture must begin at multiples, so that a pixel's bits do not depend on them.
    pub fn alignment(&self) -> usize {
        let maps = self.network.maps.iter().zip(&self.kernels);
        let tiles = maps.filter(|(_, kernel)| matches!(kernel, Kernel::Winograd(_)));
        tiles.map(|(map, _)| TILE / gcd(TILE, map.factor)).max().unwrap_or(1)
    }

    /// How far, in input pixels, the bits of an output pixel look: as far as its value does, but in whole tiles.
    pub fn halo(&self) -> usize {
        // Far from the corner, at every place in a tile.
        let places = (1 << 20)..(1 << 20) + self.alignment();
        places.map(|place| self.reach(place, false).max(self.reach(place, true))).max().unwrap_or(0)
    }

    /// The same for the input pixel at `place` down the rows or along the columns.
    fn reach(&self, place: usize, down: bool) -> usize {
        let maps = &self.network.maps;
        let mut spans: Vec<Option<[usize; 2]>> = vec![None; maps.len()];
        let join = |span: &mut Option<[usize; 2]>, with: [usize; 2]| {
            *span = Some(span.map_or(with, |[first, end]| [first.min(with[0]), end.max(with[1])]));
        };
        for (map, _) in self.network.outputs.iter().flat_map(|output| &output.terms) {
            join(&mut spans[*map], [place * maps[*map].factor, (place + 1) * maps[*map].factor]);
        }
        let mut reach = 0;
        for (id, map) in maps.iter().enumerate().rev() {
            let Some([first, end]) = spans[id] else { continue };
            if let Some(add) = map.add {
                join(&mut spans[add], [first, end]);
            }
            let tile = if matches!(self.kernels[id], Kernel::Winograd(_)) { TILE } else { 1 };
            let (half, enlarges) = (map.side() / 2, map.enlarges());
            let shift = if down { self.shift(id) } else { 0 };
            let (top, bottom) = ((first + shift) / tile * tile - shift, (end + shift).next_multiple_of(tile) - shift);
            let read = [top / enlarges - half, bottom.div_ceil(enlarges) + half];
            map.from.iter().for_each(|&from| join(&mut spans[from], read));
            if matches!(map.make, Make::Input(_)) {
                reach = reach.max(place.saturating_sub(first)).max(end.saturating_sub(place + 1));
            }
        }
        reach
    }

    /// Pixels of border that map `id` needs to each side, and behind its last pixel, for the readers it has.
    pub(super) fn borders(&self, id: MapId, width: usize) -> [usize; 2] {
        let (mut before, mut behind) = (0, 0);
        for (reader, map) in self.network.maps.iter().enumerate() {
            if map.from.contains(&id) {
                let half = map.side() / 2;
                let tiles = match self.kernels[reader] {
                    Kernel::Winograd(_) => width.next_multiple_of(TILE) - width,
                    _ => 0,
                };
                before = before.max(half);
                behind = behind.max(half + tiles);
            }
        }
        [before, behind]
    }

    /// Elements of scratch of the hungriest kernel for pictures of `width` pixels.
    pub(super) fn scratch(&self, width: usize) -> usize {
        let needs = self.kernels.iter().zip(&self.network.maps).map(|(kernel, map)| match kernel {
            Kernel::Winograd(kernel) => kernel.scratch(),
            Kernel::Columns(kernel) => kernel.scratch(width * map.factor),
            _ => 0,
        });
        needs.max().unwrap_or(0)
    }

    /// Whether the channels of a map stand one after the other, not together at each pixel.
    pub(super) fn is_planar(&self, id: MapId) -> bool {
        self.planar[id]
    }

    pub(super) fn is_bytes(&self, id: MapId) -> bool {
        matches!(self.network.maps[id].format, Format::Bytes(_))
    }
}

/// The inputs of few planes, where whatever reads them takes planes: there a block of channels would be mostly empty.
fn planar(network: &Network) -> Vec<bool> {
    let maps = &network.maps;
    let few = |map: &Map| matches!(map.make, Make::Input(_)) && map.channels < WINOGRAD_INPUTS;
    let mut planar: Vec<bool> = maps.iter().map(few).collect();
    for (map, spread) in network.outputs.iter().flat_map(|output| &output.terms) {
        planar[*map] &= *spread == Spread::Repeated;
    }
    maps.iter().filter_map(|map| map.add).for_each(|add| planar[add] = false);
    // Not where it is read together with what is not: until nothing changes, since one of them draws others along.
    let mut before = usize::MAX;
    while before != planar.iter().filter(|&&is| is).count() {
        before = planar.iter().filter(|&&is| is).count();
        for map in maps {
            let taken = match &map.make {
                Make::Convolve(filter) => !pays(filter) && map.from.iter().all(|&from| planar[from]),
                Make::Quantise => true,
                _ => false,
            };
            map.from.iter().for_each(|&from| planar[from] &= taken);
        }
    }
    planar
}

fn pays(filter: &Filter) -> bool {
    filter.side == 3 && filter.inputs() >= WINOGRAD_INPUTS
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
