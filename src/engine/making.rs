//! What a [`Stream`] does for each row: a map's rows from those of other maps, and the picture's rows from the last ones.

use super::network::{Format, Make, Map, MapId, Output, Spread};
use super::packed::{Kernel, Packed};
use super::stream::{Ends, Stream};
use crate::kernel::stream::{
    OutputRows, QuantiseRow, TILE, Task, Term, TileTask, Winograd, combine_rows, dequantise_row, edge_row, repeat_row,
    shuffle_row, take_row,
};
use std::ops::Range;

impl Stream {
    /// Makes the rows `range` of map `id`.
    pub(super) fn make(&mut self, packed: &Packed, id: MapId, range: Range<usize>, ends: &dyn Ends) {
        let map = &packed.network().maps[id];
        let (ring, first) = (self.rings[id], range.start as isize);
        self.rows.clear();
        match (&map.make, packed.kernel(id)) {
            (Make::Input(input), _) => {
                for plane in 0..map.channels {
                    let samples = ends.row(*input, plane, range.start);
                    take_row(&mut self.floats, ring.row(first), plane, samples, self.range);
                }
            }
            (_, Kernel::Winograd(kernel)) => self.tiles(kernel, map, id, range.clone(), packed.shift(id)),
            (_, Kernel::Direct(_) | Kernel::Columns(_) | Kernel::Bytes(_)) => {
                let half = (map.side() / 2) as isize;
                for y in first - half..=first + half {
                    self.rows.extend(map.from.iter().map(|&from| self.rings[from].row(y)));
                }
                if let Kernel::Columns(kernel) = packed.kernel(id) {
                    self.rows.iter_mut().for_each(|row| row.start -= kernel.before() * row.pixel);
                }
                let add = map.add.map(|add| self.rings[add].row(first));
                let task = Task { rows: &self.rows, add, out: ring.row(first), width: ring.width };
                match packed.kernel(id) {
                    Kernel::Direct(kernel) => kernel.run(&mut self.floats, &task),
                    Kernel::Columns(kernel) => kernel.run(&mut self.floats, &mut self.scratch, &task),
                    Kernel::Bytes(kernel) => kernel.run(&mut self.bytes, &task),
                    _ => {}
                }
            }
            (Make::Combine(activation), _) => {
                self.rows.extend(map.from.iter().map(|&from| self.rings[from].row(first)));
                combine_rows(&mut self.floats, &self.rows, ring.row(first), [map.channels, ring.width], activation);
            }
            _ => self.rearrange(packed, map, id, range.clone()),
        }
        if ring.edge {
            for y in range {
                edge_row(&mut self.floats, ring.row(y as isize), [map.channels, ring.width], ring.border);
            }
        }
    }

    /// Rows of a convolution by tiles.
    fn tiles(&mut self, kernel: &Winograd, map: &Map, id: MapId, range: Range<usize>, shift: usize) {
        // The first row of the tiles, which may lie above the picture.
        let skip = (range.start + shift) % TILE;
        let top = range.start as isize - skip as isize;
        for y in top - 1..=top + TILE as isize {
            self.rows.extend(map.from.iter().map(|&from| self.rings[from].row(y)));
        }
        let rows_of = |id: MapId| std::array::from_fn(|r| self.rings[id].row(top + r as isize));
        let task = TileTask {
            rows: &self.rows,
            add: map.add.map(rows_of),
            out: rows_of(id),
            skip,
            end: skip + range.len(),
            width: self.rings[id].width,
        };
        kernel.run(&mut self.floats, &mut self.scratch, &task);
    }

    /// Rows that hold the numbers of one map in another form or place.
    fn rearrange(&mut self, packed: &Packed, map: &Map, id: MapId, range: Range<usize>) {
        let Some(&from) = map.from.first() else { return };
        let (source, ring, first) = (self.rings[from], self.rings[id], range.start as isize);
        let (floats, bytes) = (&mut *self.floats, &mut *self.bytes);
        match (&map.make, packed.network().maps[from].format, map.format) {
            (Make::Quantise, _, Format::Bytes(quantum)) => {
                let made = QuantiseRow {
                    from: source.row(first),
                    to: ring.row(first),
                    channels: map.channels,
                    width: ring.width,
                    quantum,
                    flip: self.flip,
                };
                made.run(packed.level(), floats, bytes);
            }
            (Make::Dequantise, Format::Bytes(quantum), _) => {
                let shape = [map.channels, ring.width];
                dequantise_row(bytes, source.row(first), floats, ring.row(first), shape, quantum, self.flip);
            }
            (Make::Shuffle(shuffle), ..) => {
                for y in range {
                    let from = source.row((y / shuffle.factor) as isize);
                    shuffle_row(floats, from, ring.row(y as isize), source.width, *shuffle, y % shuffle.factor);
                }
            }
            (Make::Repeat(factor), ..) => {
                for y in range {
                    let from = source.row((y / factor) as isize);
                    repeat_row(floats, from, ring.row(y as isize), [map.channels, source.width], *factor);
                }
            }
            _ => {}
        }
    }

    /// Writes what row `y` of the picture becomes.
    pub(super) fn give(&mut self, packed: &Packed, index: usize, output: &Output, y: usize, ends: &mut dyn Ends) {
        let factor = output.terms.first().map_or(1, |&(map, _)| packed.network().maps[map].factor);
        for row in y * factor..(y + 1) * factor {
            self.terms.clear();
            for &(map, spread) in &output.terms {
                let place = self.rings[map].row(row as isize);
                self.terms.push(match (spread, packed.network().maps[map].format) {
                    (Spread::Repeated, _) => Term::Repeated(place),
                    (Spread::Phases, Format::Float) => Term::Phases(place),
                    (Spread::Phases, Format::Bytes(quantum)) => {
                        Term::Bytes { row: place, step: quantum.step, zero: quantum.zero }
                    }
                });
            }
            let (shuffle, range, flip) = (output.shuffle, self.range, self.flip);
            for plane in 0..shuffle.planes {
                let made = OutputRows { terms: &self.terms, shuffle, plane, range, flip };
                let to = ends.rows_mut(index, plane, row * shuffle.factor, shuffle.factor);
                made.run(packed.level(), &self.floats, &self.bytes, &mut self.line, to);
            }
        }
    }
}
