//! Runs a network over a picture, depth first: a row of the output at a time, and of every map before it only the rows that
//! this row needs. No map ever stands in memory whole.

use super::network::{Border, Format, MapId, Network, Output};
use super::packed::Packed;
use super::schedule::{Progress, Schedule};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::kernel::aligned::Aligned;
use crate::kernel::stream::{BLOCK, Row, Samples, SamplesMut, Term, flip};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where rows come from and go to.
pub trait Ends {
    /// Row `y` of a plane of an input, as wide as planned.
    fn row(&self, input: usize, plane: usize, y: usize) -> Samples<'_>;
    /// The `count` rows of a plane of an output from row `y` on, one after the other.
    fn rows_mut(&mut self, output: usize, plane: usize, y: usize, count: usize) -> SamplesMut<'_>;
}

/// Rows of one map, kept in turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    /// Pixel 0 of the first row that is kept.
    start: usize,
    /// From a row to the next.
    stride: usize,
    /// From a block of channels to the next.
    block: usize,
    /// From a pixel to the next.
    pixel: usize,
    /// Rows that are kept.
    capacity: usize,
    /// Pixel 0 of a row full of what lies outside.
    blank: usize,
    /// Rows and columns of the map.
    rows: usize,
    pub(super) width: usize,
    pub(super) border: usize,
    pub(super) edge: bool,
}

impl Ring {
    /// Row `y` of the map, or what lies outside of it.
    pub(super) fn row(&self, y: isize) -> Row {
        let inside = y.clamp(0, self.rows as isize - 1);
        if inside != y && !self.edge {
            return Row { start: self.blank, block: 0, pixel: self.pixel };
        }
        let start = self.start + inside as usize % self.capacity * self.stride;
        Row { start, block: self.block, pixel: self.pixel }
    }
}

/// A network made ready for pictures of one size; each thread owns its own.
pub struct Stream {
    packed: Arc<Packed>,
    size: Size,
    schedule: Schedule,
    pub(super) rings: Vec<Ring>,
    progress: Progress,
    pub(super) floats: Aligned<f32>,
    pub(super) bytes: Aligned<u8>,
    pub(super) scratch: Aligned<f32>,
    pub(super) line: Aligned<f32>,
    /// Scratch for the rows that a kernel reads.
    pub(super) rows: Vec<Row>,
    pub(super) terms: Vec<Term>,
    /// What the arena of bytes is kept exclusive-or'ed with.
    pub(super) flip: u8,
    /// The numbers that mean black and white to the network.
    pub(super) range: [f32; 2],
    /// Time spent on each map, and on the outputs at last; empty where nobody asked.
    spent: Vec<Duration>,
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
            scratch: Aligned::zeros(packed.scratch(size.width)),
            line: Aligned::zeros(line),
            rows: Vec::new(),
            terms: Vec::new(),
            spent: Vec::new(),
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
        4 * (floats as u64 + packed.scratch(size.width) as u64 + line) + bytes as u64
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
                let begin = self.begin();
                self.make(&packed, id, range, ends);
                self.end(id, begin);
            }
            let begin = self.begin();
            for (index, output) in packed.network().outputs.iter().enumerate() {
                self.give(&packed, index, output, y, ends);
            }
            self.end(self.rings.len(), begin);
        }
        Ok(())
    }

    /// Takes the time of every map from now on.
    pub fn watch(&mut self) {
        self.spent = vec![Duration::ZERO; self.rings.len() + 1];
    }

    /// The time that was spent on each map, and on the outputs at last, since [`Self::watch`]; empty without it.
    pub fn spent(&self) -> &[Duration] {
        &self.spent
    }

    fn begin(&self) -> Option<Instant> {
        (!self.spent.is_empty()).then(Instant::now)
    }

    fn end(&mut self, id: MapId, begin: Option<Instant>) {
        if let Some(begin) = begin {
            self.spent[id] += begin.elapsed();
        }
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
        let pixel = if packed.is_planar(id) { 1 } else { BLOCK };
        let block = pixels * pixel;
        let stride = block * map.channels.div_ceil(pixel);
        let capacity = schedule.capacity[id];
        let end = if packed.is_bytes(id) { &mut bytes } else { &mut floats };
        let start = *end + before * pixel;
        let blank = start + capacity * stride;
        *end = (*end + capacity * stride + block).next_multiple_of(LINE);
        rings.push(Ring {
            start,
            stride,
            block,
            pixel,
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
