//! The engine instead of tract, for graphs that are one island.

use crate::engine::{Ends, Packed, Samples, SamplesMut, Stream};
use crate::error::{Error, Result};
use crate::frame::Plane;
use crate::geometry::Size;
use crate::upscale::{Plan, RowPlan};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

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

/// What one of a network's maps costs.
#[derive(Debug, Clone, PartialEq)]
pub struct MapTime {
    /// What makes it, in a few words.
    pub what: String,
    /// Multiply-adds of a frame, as the plain convolution has them.
    pub multiply_adds: u64,
    /// Mean time of a frame.
    pub time: Duration,
}

/// Where the time of `frames` frames of `input` goes, map by map and writing the picture at last, on one thread.
pub(super) fn map_times(packed: &Arc<Packed>, input: &[Plane], range: [f32; 2], frames: u32) -> Result<Vec<MapTime>> {
    let size = input.first().map(|plane| plane.size).ok_or_else(|| Error::usage("no picture to time"))?;
    let mut plan = WholePlan::new(packed, size, input.len(), range);
    let input = input.iter().flat_map(|plane| &plane.data).copied().collect::<Vec<f32>>();
    let mut output = vec![0.0; input.len() * plan.scale * plan.scale];
    plan.run(&input, &mut output)?;
    plan.stream.watch();
    for _ in 0..frames.max(1) {
        plan.run(&input, &mut output)?;
    }
    let maps = packed.network().maps.len();
    let what = |id| if id < maps { packed.describe(id) } else { "writing the picture's rows".into() };
    let work = |id| if id < maps { packed.mac_per_pixel(id) as u64 * size.area() as u64 } else { 0 };
    let spent = plan.stream.spent().iter().enumerate();
    Ok(spent.map(|(id, &t)| MapTime { what: what(id), multiply_adds: work(id), time: t / frames.max(1) }).collect())
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
