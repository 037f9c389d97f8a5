//! A planar picture onto a canvas: scaled, converted to red, green and blue, each row once.

use super::axis::{Axis, ONE, Samples, Tap};
use super::convert::Convert;
use super::fit::Place;
use crate::device::hud::Canvas;
use crate::device::shot::Picture;
use crate::y4m::Header;
use std::ops::Range;

/// A way from pictures of one kind to one place, planned once.
#[derive(Debug)]
pub(super) struct Painter {
    header: Header,
    place: Place,
    columns: Range<usize>,
    convert: Convert,
    luma: Scaled,
    /// Blue and red, where there are any.
    chroma: Option<[Scaled; 2]>,
}

/// One plane on its way: its rows stretched across are kept for as long as they may be needed.
#[derive(Debug)]
struct Scaled {
    /// Where the plane begins in the picture, and the length of its rows, in bytes.
    begin: usize,
    stride: usize,
    across: Axis,
    down: Axis,
    /// The stretched rows of two neighbours: row `y` stands in `rows[y % 2]`.
    rows: [Vec<u16>; 2],
    held: [Option<u32>; 2],
    /// The mixture of both that belongs to the canvas' row.
    mixed: Vec<u16>,
}

impl Scaled {
    fn new([begin, stride]: [usize; 2], samples: [Samples; 2], place: &Place, columns: &Range<usize>) -> Self {
        let from = place.first.0 + columns.start;
        let across = Axis::new(samples[0], place.full.width, from..from + columns.len());
        let seen = place.first.1..place.first.1 + place.window.size.height;
        let down = Axis::new(samples[1], place.full.height, seen);
        let row = vec![0; columns.len()];
        Self { begin, stride, across, down, rows: [row.clone(), row.clone()], held: [None; 2], mixed: row }
    }

    fn hold(&mut self, index: u32, bytes: &[u8]) {
        let slot = (index % 2) as usize;
        if self.held[slot] == Some(index) {
            return;
        }
        let begin = self.begin + index as usize * self.stride;
        let samples = bytes.get(begin..begin + self.stride).unwrap_or_default();
        self.across.run(samples, &mut self.rows[slot]);
        self.held[slot] = Some(index);
    }

    /// Row `y` of the place, [`ONE`] times as large as the samples.
    fn row(&mut self, y: usize, bytes: &[u8]) -> &[u16] {
        let Some(&Tap { index, weight }) = self.down.taps.get(y) else { return &[] };
        self.hold(index, bytes);
        let slot = (index % 2) as usize;
        if weight == 0 {
            return &self.rows[slot];
        }
        self.hold(index + 1, bytes);
        let (first, second) = (&self.rows[slot], &self.rows[1 - slot]);
        let (near, far) = (u32::from(ONE - weight), u32::from(weight));
        for ((to, &a), &b) in self.mixed.iter_mut().zip(first).zip(second) {
            *to = ((u32::from(a) * near + u32::from(b) * far + u32::from(ONE / 2)) / u32::from(ONE)) as u16;
        }
        &self.mixed
    }
}

impl Painter {
    /// Plans for pictures of `header` at `place`, of whose window only `columns` are painted.
    pub(super) fn new(header: &Header, place: Place, columns: Range<usize>, convert: Convert) -> Self {
        let luma = |pixels| Samples { pixels, group: 1, shift: 0.0 };
        let size = header.size;
        let whole = [luma(size.width), luma(size.height)];
        let chroma = header.chroma.group().zip(header.chroma_size()).map(|((across, down), stored)| {
            let shift = header.chroma.shift();
            let samples = [
                Samples { pixels: size.width, group: across, shift: shift.0 },
                Samples { pixels: size.height, group: down, shift: shift.1 },
            ];
            let begin = header.luma_bytes();
            [begin, begin + stored.area()].map(|begin| Scaled::new([begin, stored.width], samples, &place, &columns))
        });
        let luma = Scaled::new([0, size.width], whole, &place, &columns);
        Self { header: header.clone(), place, columns, convert, luma, chroma }
    }

    /// Where it paints.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Whether it was planned for this very work.
    pub(super) fn fits(&self, header: &Header, place: Place, columns: &Range<usize>, convert: Convert) -> bool {
        self.header == *header && self.place == place && self.columns == *columns && self.convert == convert
    }

    /// Paints `picture`, whose header is the planned one.
    pub(super) fn paint(&mut self, picture: &Picture, canvas: &mut Canvas) {
        let bytes = picture.bytes.as_slice();
        for plane in std::iter::once(&mut self.luma).chain(self.chroma.iter_mut().flatten()) {
            plane.held = [None; 2];
        }
        let window = self.place.window;
        let left = window.x + self.columns.start;
        for y in 0..window.size.height {
            let row = canvas.row_mut(window.y + y);
            let Some(row) = row.get_mut(left..left + self.columns.len()) else { return };
            let luma = self.luma.row(y, bytes);
            match &mut self.chroma {
                None => self.convert.grey(luma, row),
                Some([blue, red]) => self.convert.colour([luma, blue.row(y, bytes), red.row(y, bytes)], row),
            }
        }
    }
}
