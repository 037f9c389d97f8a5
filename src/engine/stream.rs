//! Runs a network over a picture, depth first: a row of the output at a time, and of every map before it only the rows that
//! this row needs. No map ever stands in memory whole.

use super::network::{Border, Format, Make, MapId, Network, Output, Spread};
use super::packed::{Kernel, Packed};
use super::schedule::{Progress, Schedule};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::kernel::aligned::Aligned;
use crate::kernel::stream::{
    BLOCK, OutputRows, QuantiseRow, Row, Samples, SamplesMut, TILE, Task, Term, TileTask, combine_rows, dequantise_row,
    edge_row, flip, repeat_row, shuffle_row, take_row,
};
use std::ops::Range;
use std::sync::Arc;

/// Where rows come from and go to.
pub trait Ends {
    /// Row `y` of a plane of an input, as wide as planned.
    fn row(&self, input: usize, plane: usize, y: usize) -> Samples<'_>;
    /// The `count` rows of a plane of an output from row `y` on, one after the other.
    fn rows_mut(&mut self, output: usize, plane: usize, y: usize, count: usize) -> SamplesMut<'_>;
}

/// Rows of one map, kept in turn.
#[derive(Debug, Clone, Copy)]
struct Ring {
    /// Pixel 0 of the first row that is kept.
    start: usize,
    /// From a row to the next.
    stride: usize,
    /// From a block of channels to the next.
    block: usize,
    /// Rows that are kept.
    capacity: usize,
    /// Pixel 0 of a row full of what lies outside.
    blank: usize,
    /// Rows and columns of the map.
    rows: usize,
    width: usize,
    border: usize,
    edge: bool,
}

impl Ring {
    /// Row `y` of the map, or what lies outside of it.
    fn row(&self, y: isize) -> Row {
        let inside = y.clamp(0, self.rows as isize - 1);
        if inside != y && !self.edge {
            return Row { start: self.blank, block: 0 };
        }
        Row { start: self.start + inside as usize % self.capacity * self.stride, block: self.block }
    }
}

/// A network made ready for pictures of one size; each thread owns its own.
pub struct Stream {
    packed: Arc<Packed>,
    size: Size,
    schedule: Schedule,
    rings: Vec<Ring>,
    progress: Progress,
    floats: Aligned<f32>,
    bytes: Aligned<u8>,
    scratch: Aligned<f32>,
    line: Aligned<f32>,
    /// Scratch for the rows that a kernel reads.
    rows: Vec<Row>,
    terms: Vec<Term>,
    /// What the arena of bytes is kept exclusive-or'ed with.
    flip: u8,
    /// The numbers that mean black and white to the network.
    range: [f32; 2],
}

/// Elements at whose multiples maps begin: a cache line of bytes.
const LINE: usize = 64;

impl Stream {
    /// Plans for pictures of `size`, whose black and white are `range` to the network; everything large is allocated here.
    pub fn new(packed: Arc<Packed>, size: Size, range: [f32; 2]) -> Self {
        let schedule = Schedule::new(&packed, size.height);
        let (rings, floats, bytes) = lay_out(&packed, &schedule, size);
        let network = packed.network();
        let line = network.outputs.iter().map(|o| line(network, o, size)).max().unwrap_or(0);
        let mut stream = Self {
            floats: Aligned::zeros(floats),
            bytes: Aligned::zeros(bytes),
            scratch: Aligned::zeros(packed.scratch()),
            line: Aligned::zeros(line),
            rows: Vec::new(),
            terms: Vec::new(),
            progress: Progress::default(),
            flip: flip(packed.level()),
            rings,
            schedule,
            size,
            range,
            packed,
        };
        stream.blank();
        stream
    }

    /// Bytes that a stream for `size` holds.
    pub fn bytes(packed: &Packed, size: Size) -> u64 {
        let (_, floats, bytes) = lay_out(packed, &Schedule::new(packed, size.height), size);
        let network = packed.network();
        let line = network.outputs.iter().map(|o| line(network, o, size)).max().unwrap_or(0) as u64;
        4 * (floats as u64 + packed.scratch() as u64 + line) + bytes as u64
    }

    /// The size that is planned for.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Makes what the rows `rows` of the picture become.
    ///
    /// # Errors
    /// An internal error where more rows are alive than were planned for.
    pub fn run(&mut self, rows: Range<usize>, ends: &mut dyn Ends) -> Result<()> {
        let packed = self.packed.clone();
        self.schedule.begin(&mut self.progress, rows.clone());
        for y in rows {
            self.schedule.want(&mut self.progress, y + 1);
            while let Some((id, range)) = self.schedule.next(&mut self.progress) {
                if self.schedule.alive(&self.progress, id, range.end, y) > self.rings[id].capacity {
                    return Err(Error::internal("more rows are alive than the schedule said"));
                }
                self.make(&packed, id, range, ends);
            }
            for (index, output) in packed.network().outputs.iter().enumerate() {
                self.give(&packed, index, output, y, ends);
            }
        }
        Ok(())
    }

    /// Fills the arena of bytes with each map's zero: its border, and what stands for rows outside.
    fn blank(&mut self) {
        for (id, ring) in self.rings.iter().enumerate() {
            if let Format::Bytes(quantum) = self.packed.network().maps[id].format {
                let zero = quantum.zero ^ self.flip;
                let (start, length) = (ring.start - ring.border * BLOCK, ring.capacity * ring.stride);
                self.bytes[start..][..length].fill(zero);
                self.bytes[ring.blank - ring.border * BLOCK..][..ring.block].fill(zero);
            }
        }
    }

    /// Makes the rows `range` of map `id`.
    fn make(&mut self, packed: &Packed, id: MapId, range: Range<usize>, ends: &mut dyn Ends) {
        let map = &packed.network().maps[id];
        let (ring, first) = (self.rings[id], range.start as isize);
        let floats = &mut *self.floats;
        let bytes = &mut *self.bytes;
        let source = map.from.first().map(|&from| self.rings[from]);
        let shape = [map.channels, ring.width];
        self.rows.clear();
        match (&map.make, packed.kernel(id), source) {
            (Make::Input(input), ..) => {
                for plane in 0..map.channels {
                    take_row(floats, ring.row(first), plane, ends.row(*input, plane, range.start), self.range);
                }
            }
            (_, Kernel::Winograd(kernel), _) => {
                // The first row of the tiles, which may lie above the picture.
                let shift = packed.shift(id);
                let skip = (range.start + shift) % TILE;
                let top = first - skip as isize;
                for y in top - 1..=top + TILE as isize {
                    self.rows.extend(map.from.iter().map(|&from| self.rings[from].row(y)));
                }
                let rows_of = |ring: &Ring| std::array::from_fn(|r| ring.row(top + r as isize));
                let task = TileTask {
                    rows: &self.rows,
                    add: map.add.map(|add| rows_of(&self.rings[add])),
                    out: rows_of(&ring),
                    skip,
                    end: skip + range.len(),
                    width: ring.width,
                };
                kernel.run(floats, &mut self.scratch, &task);
            }
            (_, Kernel::Direct(_) | Kernel::Bytes(_), _) => {
                let half = (map.side() / 2) as isize;
                for y in first - half..=first + half {
                    self.rows.extend(map.from.iter().map(|&from| self.rings[from].row(y)));
                }
                let add = map.add.map(|add| self.rings[add].row(first));
                let task = Task { rows: &self.rows, add, out: ring.row(first), width: ring.width };
                match packed.kernel(id) {
                    Kernel::Direct(kernel) => kernel.run(floats, &task),
                    Kernel::Bytes(kernel) => kernel.run(bytes, &task),
                    _ => {}
                }
            }
            (Make::Quantise, _, Some(source)) => {
                if let Format::Bytes(quantum) = map.format {
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
            }
            (Make::Dequantise, _, Some(source)) => {
                if let Format::Bytes(quantum) = packed.network().maps[map.from[0]].format {
                    dequantise_row(bytes, source.row(first), floats, ring.row(first), shape, quantum, self.flip);
                }
            }
            (Make::Combine(activation), ..) => {
                self.rows.extend(map.from.iter().map(|&from| self.rings[from].row(first)));
                combine_rows(floats, &self.rows, ring.row(first), shape, activation);
            }
            (Make::Shuffle(shuffle), _, Some(source)) => {
                for y in range.clone() {
                    let from = source.row((y / shuffle.factor) as isize);
                    shuffle_row(floats, from, ring.row(y as isize), source.width, *shuffle, y % shuffle.factor);
                }
            }
            (Make::Repeat(factor), _, Some(source)) => {
                for y in range.clone() {
                    let from = source.row((y / factor) as isize);
                    repeat_row(floats, from, ring.row(y as isize), [map.channels, source.width], *factor);
                }
            }
            _ => {}
        }
        if ring.edge {
            for y in range {
                edge_row(floats, ring.row(y as isize), shape, ring.border);
            }
        }
    }

    /// Writes what row `y` of the picture becomes.
    fn give(&mut self, packed: &Packed, index: usize, output: &Output, y: usize, ends: &mut dyn Ends) {
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

/// Scratch of an output: the rows that a row becomes.
fn line(network: &Network, output: &Output, size: Size) -> usize {
    network.output_scale(output) * size.width * output.shuffle.factor
}

/// Where every map's rows lie, and how many floats and bytes they take.
fn lay_out(packed: &Packed, schedule: &Schedule, size: Size) -> (Vec<Ring>, usize, usize) {
    let network = packed.network();
    let (mut rings, mut floats, mut bytes) = (Vec::with_capacity(network.maps.len()), 0, 0);
    for (id, map) in network.maps.iter().enumerate() {
        let width = size.width * map.factor;
        let [before, behind] = packed.borders(id, width);
        let edge = map.border == Border::Edge;
        // What is continued by its edge is continued alike to both sides.
        let (before, behind) = if edge { (before.max(behind), before.max(behind)) } else { (before, behind) };
        // An odd number of lines, lest rows fall on the same lines of the cache.
        let pixels = (before + width + behind) | 1;
        let block = pixels * BLOCK;
        let stride = block * map.channels.div_ceil(BLOCK);
        let capacity = schedule.capacity[id];
        let end = if packed.is_bytes(id) { &mut bytes } else { &mut floats };
        let start = *end + before * BLOCK;
        let blank = start + capacity * stride;
        *end = (*end + capacity * stride + block).next_multiple_of(LINE);
        rings.push(Ring {
            start,
            stride,
            block,
            capacity,
            blank,
            rows: size.height * map.factor,
            width,
            border: before,
            edge,
        });
    }
    (rings, floats, bytes)
}
