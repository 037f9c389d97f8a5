//! Pictures made by code, written and read back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod hostile;
mod kinds;
mod metadata;
mod round_trip;
mod tiffs;

use super::*;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

/// A picture in memory: its header and its rows one after another.
#[derive(Debug, Clone)]
struct Picture {
    info: PictureInfo,
    samples: Vec<f32>,
}

impl Picture {
    /// A picture whose samples are `f(x, y, channel)`, from 0 to the depth's largest.
    fn new(size: Size, layout: Layout, depth: Depth, f: impl Fn(usize, usize, usize) -> u16) -> Self {
        let mut samples = Vec::new();
        for y in 0..size.height {
            for x in 0..size.width {
                samples.extend((0..layout.channels()).map(|c| f32::from(f(x, y, c)) / depth.max()));
            }
        }
        Self { info: PictureInfo { size, layout, depth, metadata: Metadata::default(), streams: false }, samples }
    }

    /// Smooth shades that every codec keeps well, different in each channel.
    fn smooth(size: Size, layout: Layout, depth: Depth) -> Self {
        let full = depth.max() as usize;
        Self::new(size, layout, depth, |x, y, c| {
            let (w, h) = (size.width.max(2) - 1, size.height.max(2) - 1);
            (match c {
                0 => full * x / w,
                1 => full * y / h,
                2 => full - full * (x + y) / (w + h),
                _ => full / 2 + full / 2 * y / h,
            }) as u16
        })
    }

    /// Values that use every bit.
    fn noise(size: Size, layout: Layout, depth: Depth) -> Self {
        Self::new(size, layout, depth, |x, y, c| {
            let hash = ((x * 31 + y * 1009 + c * 7 + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            (hash % (depth.max() as u64 + 1)) as u16
        })
    }

    fn with(mut self, metadata: Metadata) -> Self {
        self.info.metadata = metadata;
        self
    }

    fn encode(&self, format: Format, options: &EncodeOptions) -> Vec<u8> {
        let bytes = Shared::default();
        let mut sink = write_to(bytes.clone(), format, &self.info, options).unwrap();
        for row in self.samples.chunks_exact(self.info.size.width * self.info.layout.channels()) {
            sink.write_row(row).unwrap();
        }
        sink.finish().unwrap();
        bytes.0.lock().unwrap().clone()
    }

    /// Samples as they stand in a file of its depth.
    fn quantised(&self) -> Vec<u16> {
        self.samples.iter().map(|&v| self.info.depth.quantise(v)).collect()
    }
}

/// Bytes that a sink writes and the test then reads.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that `bytes` decode to.
fn decode_within(bytes: &[u8], limits: &Limits) -> Result<Picture> {
    let mut source = read_from(Cursor::new(bytes), limits)?;
    let info = source.info().clone();
    let mut samples = vec![0.0; info.size.area() * info.layout.channels()];
    for row in samples.chunks_exact_mut(info.size.width * info.layout.channels()) {
        source.next_row(row)?;
    }
    Ok(Picture { info, samples })
}

fn decode(bytes: &[u8]) -> Picture {
    decode_within(bytes, &Limits::default()).unwrap()
}

/// The largest difference of any sample, in 255ths.
fn largest_difference(a: &Picture, b: &Picture) -> f32 {
    assert_eq!((a.info.size, a.info.layout), (b.info.size, b.info.layout));
    a.samples.iter().zip(&b.samples).map(|(a, b)| (a - b).abs() * 255.0).fold(0.0, f32::max)
}

const LAYOUTS: [Layout; 4] = [Layout::Grey, Layout::GreyAlpha, Layout::Rgb, Layout::Rgba];
const DEPTHS: [Depth; 2] = [Depth::Eight, Depth::Sixteen];
