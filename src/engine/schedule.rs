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
    /// The outputs' maps and their factors, those that depend on others last.
    outputs: Vec<(MapId, usize)>,
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

/// Rows after which a schedule repeats itself, or some more.
const PHASES: usize = 48;

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
        let terms = network.outputs.iter().flat_map(|output| &output.terms);
        let mut outputs: Vec<_> = terms.map(|&(map, _)| (map, network.maps[map].factor)).collect();
        outputs.sort_unstable();
        let mut readers = vec![Vec::new(); stations.len()];
        for (id, station) in stations.iter().enumerate() {
            station.reads.iter().for_each(|&read| readers[read.from].push((id, read)));
        }
        let mut schedule = Self { capacity: vec![1; stations.len()], stations, outputs, readers };
        schedule.measure(height, packed.alignment());
        schedule
    }

    /// Runs through the schedule from the top until it repeats itself, and through the first rows of bands that begin further
    /// down, to see how many rows of each map are alive at once. Bands begin at multiples of `alignment` rows; what they hold at
    /// first depends on where in the tiles of the maps they begin, which repeats itself too.
    fn measure(&mut self, height: usize, alignment: usize) {
        let widest = |s: &Station| s.reads.iter().map(|r| r.half).max().unwrap_or(0) + s.grain;
        let reach = 2 * self.stations.iter().map(widest).sum::<usize>();
        self.run_through(0..height, reach + PHASES);
        // Near the top, where what lies above the picture is left out, and far from it.
        let starts = (0..PHASES).chain(reach.next_multiple_of(alignment)..reach + PHASES);
        for start in starts.filter(|start| start.is_multiple_of(alignment) && (1..height).contains(start)) {
            self.run_through(start..height, reach);
        }
    }

    /// Runs through a band, `most` rows at most.
    fn run_through(&mut self, rows: Range<usize>, most: usize) {
        let mut progress = Progress::default();
        self.begin(&mut progress, rows.clone());
        for y in rows.take(most) {
            self.want(&mut progress, y + 1);
            while let Some((id, rows)) = self.next(&mut progress) {
                self.capacity[id] = self.capacity[id].max(self.alive(&progress, id, rows.end, y));
            }
        }
    }

    /// Rows before `end` of map `id` that are still to be read while the picture's row `y` is made.
    pub(super) fn alive(&self, progress: &Progress, id: MapId, end: usize, y: usize) -> usize {
        let mut oldest = progress.made[id];
        for &(_, factor) in self.outputs.iter().filter(|(map, _)| *map == id) {
            oldest = oldest.min(y * factor);
        }
        for &(reader, read) in &self.readers[id] {
            if progress.made[reader] < self.stations[reader].rows {
                // Tiles that begin above the picture read from its first row.
                let next = self.stations[reader].floor(progress.made[reader]);
                oldest = oldest.min((next / read.enlarges).saturating_sub(read.half));
            }
        }
        end - oldest
    }

    /// Sets out to make the rows `rows` of the picture at the input's size.
    pub(super) fn begin(&self, progress: &mut Progress, rows: Range<usize>) {
        progress.wanted.clear();
        progress.made.clear();
        progress.made.resize(self.stations.len(), usize::MAX);
        for &(map, factor) in &self.outputs {
            progress.made[map] = progress.made[map].min(rows.start * factor);
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

    /// Asks for the picture's rows up to `end`. A map that others read is asked for after them: where a band begins, they begin
    /// far above it, and what it gave beforehand would have to be kept for them.
    pub(super) fn want(&self, progress: &mut Progress, end: usize) {
        progress.wanted.extend(self.outputs.iter().map(|&(map, factor)| (map, end * factor)));
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
