//! The engine instead of tract, for graphs that are one island.

use crate::engine::{Ends, Packed, Samples, SamplesMut, Stream};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::upscale::{Plan, RowPlan};
use std::ops::Range;
use std::sync::Arc;

/// A whole network, ready for one size.
pub(super) struct WholePlan {
    stream: Stream,
    size: Size,
    planes: usize,
    scale: usize,
}

impl WholePlan {
    pub(super) fn new(packed: &Arc<Packed>, size: Size, planes: usize, range: [f32; 2]) -> Self {
        let scale = packed.network().scale();
        Self { stream: Stream::new(packed.clone(), size, range), size, planes, scale }
    }
}

impl Plan for WholePlan {
    fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()> {
        let area = self.size.area() * self.planes;
        if input.len() != area || output.len() != area * self.scale * self.scale {
            return Err(Error::internal(format!("samples do not fit {} planes of {}", self.planes, self.size)));
        }
        let mut ends = Planar { input, output, size: self.size, scale: self.scale };
        self.stream.run(0..self.size.height, &mut ends)
    }

    fn rows(&mut self) -> Option<&mut dyn RowPlan> {
        Some(self)
    }
}

impl RowPlan for WholePlan {
    fn run_rows(&mut self, rows: Range<usize>, ends: &mut dyn Ends) -> Result<()> {
        self.stream.run(rows, ends)
    }
}

/// Planes one after the other.
struct Planar<'a> {
    input: &'a [f32],
    output: &'a mut [f32],
    size: Size,
    scale: usize,
}

impl Ends for Planar<'_> {
    fn row(&self, _: usize, plane: usize, y: usize) -> Samples<'_> {
        Samples::Float(&self.input[(plane * self.size.height + y) * self.size.width..][..self.size.width])
    }

    fn rows_mut(&mut self, _: usize, plane: usize, y: usize, count: usize) -> SamplesMut<'_> {
        let (width, height) = (self.size.width * self.scale, self.size.height * self.scale);
        SamplesMut::Float(&mut self.output[(plane * height + y) * width..][..count * width])
    }
}
