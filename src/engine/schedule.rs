//! Which rows are made when, and how many of a map are kept: worked out from the network alone, and run through once without
//! arithmetic to know how long each ring must be.

use super::network::{MapId, Network};
use super::packed::Packed;
use std::ops::Range;

/// How one map makes its rows.
#[derive(Debug, Clone)]
struct Station {
    /// Rows that are made together, and begin at a multiple of their number.
    grain: usize,
    /// Rows of the map.
    rows: usize,
    /// What is read: the map, rows above and below, and how many rows of this map come of one of its.
    reads: Vec<(MapId, usize, usize)>,
}

/// The stations of a network for pictures of one height.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    stations: Vec<Station>,
    /// For each output, its terms' maps.
    outputs: Vec<(Vec<MapId>, usize)>,
    /// Rows of each map that are kept.
    pub(super) capacity: Vec<usize>,
}

/// How far every map has been made.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// The next row of each map.
    pub(super) made: Vec<usize>,
    target: Vec<usize>,
}

impl Schedule {
    pub(super) fn new(packed: &Packed, height: usize) -> Self {
        let network = packed.network();
        let station = |(id, map): (MapId, &super::network::Map)| {
            let (half, enlarges) = (map.side() / 2, map.enlarges());
            let from = map.from.iter().map(|&from| (from, half, enlarges));
            Station {
                grain: packed.grain(id),
                rows: height * map.factor,
                reads: from.chain(map.add.map(|add| (add, 0, 1))).collect(),
            }
        };
        let stations = network.maps.iter().enumerate().map(station).collect();
        let terms = |output: &super::network::Output| output.terms.iter().map(|&(map, _)| map).collect::<Vec<_>>();
        let factor = |network: &Network, output: &super::network::Output| {
            output.terms.first().map_or(1, |&(map, _)| network.maps[map].factor)
        };
        let outputs = network.outputs.iter().map(|output| (terms(output), factor(network, output))).collect();
        let mut schedule = Self { stations, outputs, capacity: vec![1; network.maps.len()] };
        schedule.measure(height);
        schedule
    }

    /// Runs through the schedule from several first rows to see how many rows of each map are alive at once.
    fn measure(&mut self, height: usize) {
        let reach = 2 * self.stations.iter().map(|s| s.reads.iter().map(|r| r.1).max().unwrap_or(0) + s.grain).sum::<usize>();
        let mut progress = Progress::default();
        for first in 0..height.min(START_PHASES) {
            self.begin(&mut progress, first..height);
            for y in first..height.min(first + reach + START_PHASES) {
                self.advance(&mut progress, y + 1);
                for id in 0..self.stations.len() {
                    let alive = progress.target[id].saturating_sub(self.oldest(&progress, id, y));
                    self.capacity[id] = self.capacity[id].max(alive).min(self.stations[id].rows);
                }
                progress.made.copy_from_slice(&progress.target);
            }
        }
    }

    /// The oldest row of map `id` that is still to be read when the picture's row `y` is about to be made.
    fn oldest(&self, progress: &Progress, id: MapId, y: usize) -> usize {
        let mut oldest = progress.made[id];
        for (terms, factor) in &self.outputs {
            if terms.contains(&id) {
                oldest = oldest.min(y * factor);
            }
        }
        for (reader, station) in self.stations.iter().enumerate() {
            for &(from, half, enlarges) in &station.reads {
                if from == id {
                    oldest = oldest.min((progress.made[reader] / enlarges).saturating_sub(half));
                }
            }
        }
        oldest
    }

    /// Sets out to make the rows `rows` of the picture at the input's size.
    pub(super) fn begin(&self, progress: &mut Progress, rows: Range<usize>) {
        let count = self.stations.len();
        progress.made.clear();
        progress.made.resize(count, usize::MAX);
        progress.target.clear();
        progress.target.resize(count, 0);
        for (terms, factor) in &self.outputs {
            terms.iter().for_each(|&map| progress.made[map] = progress.made[map].min(rows.start * factor));
        }
        for id in (0..count).rev() {
            let station = &self.stations[id];
            let first = progress.made[id].min(station.rows) / station.grain * station.grain;
            progress.made[id] = first;
            progress.target[id] = first;
            for &(from, half, enlarges) in &station.reads {
                progress.made[from] = progress.made[from].min((first / enlarges).saturating_sub(half));
            }
        }
    }

    /// Works out how far every map must be made for the picture's rows up to `end`.
    pub(super) fn advance(&self, progress: &mut Progress, end: usize) {
        for (terms, factor) in &self.outputs {
            terms.iter().for_each(|&map| progress.target[map] = progress.target[map].max(end * factor));
        }
        for id in (0..self.stations.len()).rev() {
            let station = &self.stations[id];
            let target = progress.target[id].next_multiple_of(station.grain).min(station.rows);
            let target = target.max(progress.made[id]);
            progress.target[id] = target;
            if target == progress.made[id] {
                continue;
            }
            for &(from, half, enlarges) in &station.reads {
                let needed = target.div_ceil(enlarges) + half;
                progress.target[from] = progress.target[from].max(needed);
            }
        }
    }

    /// The next rows of map `id` that are to be made together; nothing where it is made far enough.
    pub(super) fn next(&self, progress: &Progress, id: MapId) -> Option<Range<usize>> {
        let (first, station) = (progress.made[id], &self.stations[id]);
        (first < progress.target[id]).then(|| first..(first + station.grain).min(station.rows))
    }
}

/// First rows at which the schedule is run through: more than any rows that are made together.
const START_PHASES: usize = 16;
