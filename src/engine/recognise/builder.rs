//! One island while it is put together.

use super::{Island, MOST_MAPS, Refusal};
use crate::engine::network::{Border, Format, Make, Map, MapId, Network, Output, Spread};
use crate::kernel::stream::{Activation, ByteFilter, PixelShuffle, Quantum};
use crate::onnx::Grid;
use std::collections::{HashMap, HashSet};

/// What a value of the graph means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    /// A map of numbers or bytes.
    Map(MapId),
    /// Bytes, to be read as numbers.
    Dequantised(MapId),
    /// Maps side by side.
    Joined(Vec<MapId>),
    /// Some channels of a map.
    Channels { map: MapId, first: usize, count: usize },
    /// A map with so many pixels of border around it.
    Padded { map: MapId, amount: usize, edge: bool },
    /// A sum of maps that will become pixels.
    Sum(Vec<(MapId, Spread)>, Option<Repeats>),
    /// A sum of maps that have become pixels.
    Pixels(Vec<(MapId, Spread)>, PixelShuffle),
    /// A convolution of bytes whose output's step is not known yet.
    Rounding(Box<Rounding>),
}

/// How channels are repeated that will be added to phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeats {
    /// How often each of the repeated map's channels stands there.
    pub(super) times: usize,
    /// Channels of the map that is repeated.
    pub(super) planes: usize,
    /// Whether a channel's repetitions stand together.
    pub(super) channels_first: bool,
}

/// A convolution of bytes, to be rounded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rounding {
    pub(super) from: MapId,
    /// Its scale is the step of a sum, not yet divided by the output's step.
    pub(super) filter: ByteFilter,
    pub(super) rectified: bool,
}

/// One island while it is put together.
#[derive(Debug, Default)]
pub(super) struct Builder<'a> {
    pub(super) network: Network,
    /// Operators that have been understood.
    pub(super) operators: usize,
    /// Values that are read from outside.
    pub(super) exports: Vec<&'a str>,
    /// Maps that several values are.
    pub(super) shared: HashSet<MapId>,
    imports: Vec<&'a str>,
    /// The inputs' pixels for each of the picture's.
    factor: Option<usize>,
}

impl<'a> Builder<'a> {
    /// The map of a value that comes from outside.
    pub(super) fn import(&mut self, name: &'a str, grid: Grid) -> Result<Meaning, Refusal> {
        let factor = *self.factor.get_or_insert(grid.factor);
        if factor != grid.factor {
            return Err("its inputs have several sizes".into());
        }
        if let Some(input) = self.imports.iter().position(|&known| known == name) {
            let is_it = |map: &Map| map.make == Make::Input(input) && map.border == Border::Zero;
            let found = self.network.maps.iter().position(is_it);
            return found.map(Meaning::Map).ok_or_else(|| "its input was lost".into());
        }
        self.imports.push(name);
        self.network.inputs.push(grid.channels);
        Ok(Meaning::Map(self.push(grid.channels, 1, Make::Input(self.imports.len() - 1), &[])))
    }

    /// Adds a map of numbers.
    pub(super) fn push(&mut self, channels: usize, factor: usize, make: Make, from: &[MapId]) -> MapId {
        let (border, format) = (Border::Zero, Format::Float);
        self.network.maps.push(Map { channels, factor, border, format, make, from: from.to_vec(), add: None });
        self.network.maps.len() - 1
    }

    /// Adds a map of bytes.
    pub(super) fn push_bytes(
        &mut self,
        channels: usize,
        factor: usize,
        make: Make,
        from: MapId,
        out: Quantum,
    ) -> MapId {
        let id = self.push(channels, factor, make, &[from]);
        self.network.maps[id].format = Format::Bytes(out);
        id
    }

    pub(super) fn map(&self, id: MapId) -> &Map {
        &self.network.maps[id]
    }

    /// The step and zero of a map of bytes.
    pub(super) fn quantum(&self, id: MapId) -> Option<Quantum> {
        match self.map(id).format {
            Format::Bytes(quantum) => Some(quantum),
            Format::Float => None,
        }
    }

    /// The map of numbers that `meaning` is, made where there is none yet.
    pub(super) fn floats(&mut self, meaning: Meaning) -> Result<MapId, Refusal> {
        match meaning {
            Meaning::Map(id) if self.quantum(id).is_none() => Ok(id),
            Meaning::Map(_) => Err("it reads bytes as numbers".into()),
            Meaning::Dequantised(id) => {
                let (channels, factor) = (self.map(id).channels, self.map(id).factor);
                Ok(self.push(channels, factor, Make::Dequantise, &[id]))
            }
            Meaning::Sum(terms, _) => {
                let mut maps = Vec::new();
                for (map, spread) in terms {
                    if spread == Spread::Repeated {
                        return Err("repeated channels are not made pixels".into());
                    }
                    maps.push(self.number(map)?);
                }
                let (channels, factor) = (self.map(maps[0]).channels, self.map(maps[0]).factor);
                Ok(self.push(channels, factor, Make::Combine(Activation::None), &maps))
            }
            Meaning::Pixels(terms, shuffle) => self.enlarged(&terms, shuffle),
            Meaning::Joined(_) => Err("maps side by side are read by something else than a convolution".into()),
            Meaning::Channels { .. } => Err("some channels of a map are read alone".into()),
            Meaning::Padded { .. } => Err("a border is read by something else than a convolution".into()),
            Meaning::Rounding(_) => Err("a convolution of bytes is not rounded to bytes".into()),
        }
    }

    /// The map as numbers.
    fn number(&mut self, id: MapId) -> Result<MapId, Refusal> {
        let meaning = if self.quantum(id).is_some() { Meaning::Dequantised(id) } else { Meaning::Map(id) };
        self.floats(meaning)
    }

    /// The maps side by side that `meaning` is.
    pub(super) fn sources(&mut self, meaning: Meaning) -> Result<Vec<MapId>, Refusal> {
        match meaning {
            Meaning::Joined(maps) => Ok(maps),
            other => Ok(vec![self.floats(other)?]),
        }
    }

    /// Terms that have become pixels, as a map.
    fn enlarged(&mut self, terms: &[(MapId, Spread)], shuffle: PixelShuffle) -> Result<MapId, Refusal> {
        let mut maps = Vec::new();
        for &(map, spread) in terms {
            let map = self.number(map)?;
            let factor = self.map(map).factor * shuffle.factor;
            maps.push(match spread {
                Spread::Phases => self.push(shuffle.planes, factor, Make::Shuffle(shuffle), &[map]),
                Spread::Repeated => self.push(shuffle.planes, factor, Make::Repeat(shuffle.factor), &[map]),
            });
        }
        match maps.as_slice() {
            [map] => Ok(*map),
            [first, ..] => {
                let (channels, factor) = (self.map(*first).channels, self.map(*first).factor);
                Ok(self.push(channels, factor, Make::Combine(Activation::None), &maps))
            }
            [] => Err("nothing becomes pixels".into()),
        }
    }

    /// A copy of a map that is continued by its edge.
    pub(super) fn edged(&mut self, id: MapId) -> MapId {
        let map = self.map(id).clone();
        let (make, from) = match map.make {
            Make::Input(input) => (Make::Input(input), Vec::new()),
            _ => (Make::Combine(Activation::None), vec![id]),
        };
        let known = |m: &Map| m.border == Border::Edge && m.make == make && m.from == from;
        if let Some(known) = self.network.maps.iter().position(known) {
            return known;
        }
        let copy = self.push(map.channels, map.factor, make, &from);
        self.network.maps[copy].border = Border::Edge;
        copy
    }

    /// The island, once every operator has been read; nothing where it convolves nothing.
    pub(super) fn island(mut self, values: &HashMap<&str, (usize, Meaning)>) -> Result<Option<Island>, Refusal> {
        let mut outputs = Vec::new();
        for name in std::mem::take(&mut self.exports) {
            let Some((_, meaning)) = values.get(name) else { continue };
            let output =
                self.output(meaning.clone()).map_err(|reason| format!("'{name}' is needed outside, but {reason}"))?;
            self.network.outputs.push(output);
            outputs.push(name.to_owned());
        }
        if self.network.convolutions() == 0 || self.network.outputs.is_empty() {
            return Ok(None);
        }
        if self.network.maps.len() > MOST_MAPS {
            return Err(format!("the graph has more than {MOST_MAPS} layers in a row"));
        }
        self.drop_unused();
        let inputs = self.imports.iter().map(|&name| name.to_owned()).collect();
        Ok(Some(Island { network: self.network, inputs, outputs, operators: self.operators }))
    }

    fn output(&mut self, meaning: Meaning) -> Result<Output, Refusal> {
        let plain = |planes| PixelShuffle { factor: 1, planes, channels_first: true };
        match meaning {
            Meaning::Pixels(terms, shuffle) => Ok(Output { terms, shuffle }),
            Meaning::Map(id) | Meaning::Dequantised(id) => {
                let shuffle = plain(self.map(id).channels);
                if self.quantum(id).is_some() && matches!(meaning, Meaning::Map(_)) {
                    return Err("it is bytes".into());
                }
                Ok(Output { terms: vec![(id, Spread::Phases)], shuffle })
            }
            other => {
                let id = self.floats(other)?;
                Ok(Output { terms: vec![(id, Spread::Phases)], shuffle: plain(self.map(id).channels) })
            }
        }
    }

    /// Leaves out the maps that nothing reads. Inputs keep their numbers.
    fn drop_unused(&mut self) {
        let maps = &self.network.maps;
        let mut used = vec![false; maps.len()];
        for (map, _) in self.network.outputs.iter().flat_map(|output| &output.terms) {
            used[*map] = true;
        }
        for id in (0..maps.len()).rev() {
            if used[id] {
                maps[id].reads().for_each(|from| used[from] = true);
            }
        }
        let mut places = Vec::with_capacity(maps.len());
        let mut count = 0;
        for &used in &used {
            places.push(count);
            count += usize::from(used);
        }
        let mut id = 0;
        self.network.maps.retain_mut(|map| {
            map.from.iter_mut().chain(&mut map.add).for_each(|from| *from = places[*from]);
            id += 1;
            used[id - 1]
        });
        for (map, _) in self.network.outputs.iter_mut().flat_map(|output| &mut output.terms) {
            *map = places[*map];
        }
    }
}
