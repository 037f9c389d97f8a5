//! Which rows are made when, and how many of a map are kept: worked out from the network alone, and run through once without
//! arithmetic to know how long each ring must be.

use super::network::{Map, MapId};
use super::packed::Packed;
use std::ops::Range;

/// How one map makes its rows.
#[derive(Debug, Clone)]
struct Station {
    /// Rows that are made together.
    grain: usize,
    /// Together are those that come to the same multiple of their number when this is added.
    shift: usize,
    /// Rows of the map.
    rows: usize,
    reads: Vec<Read>,
}

/// How a map reads another.
#[derive(Debug, Clone, Copy)]
struct Read {
    from: MapId,
    /// Rows above and below.
    half: usize,
    /// Rows of the reader that come of one of the rows that are read.
    enlarges: usize,
}

impl Station {
    /// The first of the rows that are made with `row`.
    fn floor(&self, row: usize) -> usize {
        ((row + self.shift) / self.grain * self.grain).saturating_sub(self.shift)
    }

    /// One past the last row that is made with the row before `end`.
    fn ceil(&self, end: usize) -> usize {
        ((end + self.shift).next_multiple_of(self.grain) - self.shift).min(self.rows)
    }
}

/// The stations of a network for pictures of one height.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    stations: Vec<Station>,
    /// For each output, its terms' maps and their factor.
    outputs: Vec<(Vec<MapId>, usize)>,
    /// Who reads each map, and how.
    readers: Vec<Vec<(MapId, Read)>>,
    /// Rows of each map that are kept.
    pub(super) capacity: Vec<usize>,
}

/// How far every map has been made.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// The next row of each map.
    made: Vec<usize>,
    /// Maps and how far they must be made; the last waits for none before it.
    wanted: Vec<(MapId, usize)>,
}

/// First rows at which the schedule is run through: more than any rows that are made together.
const START_PHASES: usize = 16;

impl Schedule {
    pub(super) fn new(packed: &Packed, height: usize) -> Self {
        let network = packed.network();
        let station = |(id, map): (MapId, &Map)| {
            let (half, enlarges) = (map.side() / 2, map.enlarges());
            let from = map.from.iter().map(|&from| Read { from, half, enlarges });
            let add = map.add.map(|from| Read { from, half: 0, enlarges: 1 });
            Station {
                grain: packed.grain(id),
                shift: packed.shift(id),
                rows: height * map.factor,
                reads: from.chain(add).collect(),
            }
        };
        let stations: Vec<Station> = network.maps.iter().enumerate().map(station).collect();
        let output = |output: &super::network::Output| {
            let maps: Vec<MapId> = output.terms.iter().map(|&(map, _)| map).collect();
            let factor = maps.first().map_or(1, |&map| network.maps[map].factor);
            (maps, factor)
        };
        let outputs = network.outputs.iter().map(output).collect();
        let mut readers = vec![Vec::new(); stations.len()];
        for (id, station) in stations.iter().enumerate() {
            station.reads.iter().for_each(|&read| readers[read.from].push((id, read)));
        }
        let mut schedule = Self { capacity: vec![1; stations.len()], stations, outputs, readers };
        schedule.measure(height);
        schedule
    }

    /// Runs through the schedule from several first rows to see how many rows of each map are alive at once.
    fn measure(&mut self, height: usize) {
        let widest = |s: &Station| s.reads.iter().map(|r| r.half).max().unwrap_or(0) + s.grain;
        let reach = 2 * self.stations.iter().map(widest).sum::<usize>();
        let mut progress = Progress::default();
        for first in 0..height.min(START_PHASES) {
            self.begin(&mut progress, first..height);
            for y in first..height.min(first + reach + START_PHASES) {
                self.want(&mut progress, y + 1);
                while let Some((id, rows)) = self.next(&mut progress) {
                    let alive = rows.end - self.oldest(&progress, id, y);
                    self.capacity[id] = self.capacity[id].max(alive);
                }
            }
        }
    }

    /// The oldest row of map `id` that is still to be read while the picture's row `y` is made.
    fn oldest(&self, progress: &Progress, id: MapId, y: usize) -> usize {
        let mut oldest = progress.made[id];
        for (maps, factor) in &self.outputs {
            if maps.contains(&id) {
                oldest = oldest.min(y * factor);
            }
        }
        for &(reader, read) in &self.readers[id] {
            if progress.made[reader] < self.stations[reader].rows {
                // Tiles that begin above the picture read from its first row.
                let next = self.stations[reader].floor(progress.made[reader]);
                oldest = oldest.min((next / read.enlarges).saturating_sub(read.half));
            }
        }
        oldest
    }

    /// Sets out to make the rows `rows` of the picture at the input's size.
    pub(super) fn begin(&self, progress: &mut Progress, rows: Range<usize>) {
        progress.wanted.clear();
        progress.made.clear();
        progress.made.resize(self.stations.len(), usize::MAX);
        for (maps, factor) in &self.outputs {
            for &map in maps {
                progress.made[map] = progress.made[map].min(rows.start * factor);
            }
        }
        for (id, station) in self.stations.iter().enumerate().rev() {
            let first = station.floor(progress.made[id].min(station.rows));
            progress.made[id] = first;
            for read in &station.reads {
                let needed = (first / read.enlarges).saturating_sub(read.half);
                progress.made[read.from] = progress.made[read.from].min(needed);
            }
        }
    }

    /// Asks for the picture's rows up to `end`.
    pub(super) fn want(&self, progress: &mut Progress, end: usize) {
        for (maps, factor) in self.outputs.iter().rev() {
            progress.wanted.extend(maps.iter().rev().map(|&map| (map, end * factor)));
        }
    }

    /// The next rows to be made together, of the map that is nearest to the output and has all that it reads.
    pub(super) fn next(&self, progress: &mut Progress) -> Option<(MapId, Range<usize>)> {
        'next: while let Some(&(id, end)) = progress.wanted.last() {
            let (station, first) = (&self.stations[id], progress.made[id]);
            if first >= end.min(station.rows) {
                progress.wanted.pop();
                continue;
            }
            let rows = first..station.ceil(first + 1);
            for read in &station.reads {
                let needed = (rows.end.div_ceil(read.enlarges) + read.half).min(self.stations[read.from].rows);
                if progress.made[read.from] < needed {
                    progress.wanted.push((read.from, needed));
                    continue 'next;
                }
            }
            progress.made[id] = rows.end;
            return Some((id, rows));
        }
        None
    }
}
