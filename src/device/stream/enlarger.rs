//! One frame of video, enlarged: luma by the generator, chroma by bicubic, or all three planes by an RGB generator.

use super::chroma::{Beside, Resampler};
use crate::card::Colour;
use crate::error::{Error, Result};
use crate::frame::Plane;
use crate::geometry::Size;
use crate::upscale::{Generator, PlaneUpscaler, TileOptions};
use crate::y4m::{self, Header, load, store};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which colours luma and chroma are made of; matters to RGB generators only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    /// Standard definition.
    Bt601,
    /// High definition.
    Bt709,
    /// Ultra-high definition.
    Bt2020,
}

impl Matrix {
    /// Weights of red and blue in luma.
    pub const fn weights(self) -> (f32, f32) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
        }
    }

    /// What players assume of a video that does not say.
    pub const fn usual(size: Size) -> Self {
        if size.height >= 720 || size.width >= 1280 { Self::Bt709 } else { Self::Bt601 }
    }

    fn to_rgb(self, [y, cb, cr]: [f32; 3]) -> [f32; 3] {
        let (kr, kb) = self.weights();
        let (r, b) = (y + 2.0 * (1.0 - kr) * (cr - 0.5), y + 2.0 * (1.0 - kb) * (cb - 0.5));
        [r, (y - kr * r - kb * b) / (1.0 - kr - kb), b]
    }

    fn to_ycbcr(self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        let (kr, kb) = self.weights();
        let y = kr * r + (1.0 - kr - kb) * g + kb * b;
        [y, 0.5 + (b - y) / (2.0 * (1.0 - kb)), 0.5 + (r - y) / (2.0 * (1.0 - kr))]
    }
}

/// How a stream is to be enlarged.
#[derive(Clone)]
pub struct StreamOptions {
    /// Enlarges luma, or red, green and blue.
    pub generator: Arc<dyn Generator>,
    /// Output pixels for each input pixel, along each side: 1 to 8, not necessarily the generator's.
    pub scale: f64,
    /// How frames are cut, and on how many threads.
    pub tiles: TileOptions,
    /// Codes of black and white, where the stream's header is known to be wrong or silent.
    pub range: Option<y4m::Range>,
    /// The colours of luma and chroma; `None` takes what is usual for the size.
    pub matrix: Option<Matrix>,
    /// The most bytes that frames and planes may take.
    pub max_memory: Option<u64>,
}

/// Enlarges frames of one size; planned once, allocates nothing per frame of its own.
pub struct Enlarger {
    input: Header,
    output: Header,
    upscaler: PlaneUpscaler,
    colour: Colouring,
    small: Vec<Plane>,
    large: Vec<Plane>,
    stages: FrameStages,
}

/// Where the time of a frame went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameStages {
    /// The generator, from the frame's bytes to the enlarged frame's; of all three planes, where it takes colours.
    pub generator: Duration,
    /// Chroma that goes beside it.
    pub chroma: Duration,
}

/// What becomes of chroma.
enum Colouring {
    /// Luma only, or chroma beside a luma generator.
    Beside(Option<Beside>),
    /// An RGB generator on a luma stream.
    Grey(Matrix),
    /// An RGB generator: a chroma plane as it came, up to luma's size before, and down after.
    Through { matrix: Matrix, chroma: Plane, up: Box<Resampler>, down: Box<Resampler> },
}

impl Enlarger {
    /// Plans for frames of `input`.
    ///
    /// # Errors
    /// A usage error where the scale is not between 1 and 8; a limit error where it does not fit the memory; the
    /// generator's errors.
    pub fn new(input: &Header, options: &StreamOptions) -> Result<Self> {
        let output = enlarged(input, options.scale)?;
        let planes = options.generator.card().colour.planes();
        let model = input.size.checked_scale(options.generator.card().scale)?;
        check_memory(input, &output, model, planes, options.max_memory)?;
        let mut input = input.clone();
        input.range = options.range.or(input.range);
        let upscaler = PlaneUpscaler::new(options.generator.clone(), input.size, output.size, &options.tiles)?;
        let colour = match options.generator.card().colour {
            Colour::Luma => Colouring::Beside(Beside::new(&input, &output, options.tiles.threads)?),
            Colour::Rgb => Colouring::through(&input, &output, options.matrix),
        };
        let mut enlarger = Self {
            input,
            output,
            upscaler,
            colour,
            small: Vec::new(),
            large: Vec::new(),
            stages: FrameStages::default(),
        };
        if !enlarger.codes_alone() {
            enlarger.small = vec![Plane::new(enlarger.input.size); planes];
            enlarger.large = vec![Plane::new(enlarger.output.size); planes];
        }
        Ok(enlarger)
    }

    /// What goes in.
    pub fn input(&self) -> &Header {
        &self.input
    }

    /// What comes out: larger, otherwise alike.
    pub fn output(&self) -> &Header {
        &self.output
    }

    /// Whether luma goes from bytes to bytes with no plane of floats in between.
    pub(super) fn codes_alone(&self) -> bool {
        self.input.bits == 8 && matches!(self.colour, Colouring::Beside(_)) && self.upscaler.takes_codes()
    }

    fn run_codes(&mut self, small: &[u8], large: &mut [u8]) -> Result<()> {
        let (luma, chroma) = small.split_at(self.input.luma_bytes());
        let (luma_out, chroma_out) = large.split_at_mut(self.output.luma_bytes());
        let levels = self.input.effective_range().luma(self.input.bits);
        let begin = Instant::now();
        self.upscaler.run_codes(&[luma], &mut [luma_out], levels)?;
        let generator = begin.elapsed();
        self.colour.after(chroma, [&self.input, &self.output], &mut self.large, chroma_out)?;
        self.stages = FrameStages { generator, chroma: begin.elapsed().saturating_sub(generator) };
        Ok(())
    }

    /// Enlarges the frame `small` into `large`, both of their header's length.
    ///
    /// # Errors
    /// The generator's.
    pub fn run(&mut self, small: &[u8], large: &mut [u8]) -> Result<()> {
        let (bits, range) = (self.input.bits, self.input.effective_range());
        if self.codes_alone() {
            return self.run_codes(small, large);
        }
        let begin = Instant::now();
        let (luma, chroma) = small.split_at(self.input.luma_bytes());
        load(luma, bits, range.luma(bits), &mut self.small[0].data);
        self.colour.before(chroma, &self.input, &mut self.small);
        self.upscaler.run(&self.small, &mut self.large)?;
        let (luma, chroma_out) = large.split_at_mut(self.output.luma_bytes());
        let aside = Instant::now();
        self.colour.after(chroma, [&self.input, &self.output], &mut self.large, chroma_out)?;
        let chroma = aside.elapsed();
        store(&self.large[0].data, bits, range.luma(bits), luma);
        self.stages = FrameStages { generator: begin.elapsed().saturating_sub(chroma), chroma };
        Ok(())
    }

    /// Makes the enlarged chroma in which the luma rows `rows` of the small frame show, where chroma goes beside the generator.
    pub(super) fn enlarge_chroma(&mut self, small: &[u8], large: &mut [u8], rows: Range<usize>) -> Result<()> {
        let (Colouring::Beside(Some(beside)), Some((_, down))) = (&mut self.colour, self.input.chroma.group()) else {
            return Ok(());
        };
        let touched = beside.touched(rows.start / down..rows.end.div_ceil(down));
        beside.run(small, large, touched)
    }

    /// Where the time of the last frame went.
    pub fn stages(&self) -> FrameStages {
        self.stages
    }
}

/// The header of the enlarged stream: whole groups of chroma, since encoders refuse odd sides.
fn enlarged(input: &Header, scale: f64) -> Result<Header> {
    if !(1.0..=8.0).contains(&scale) {
        return Err(Error::usage(format!("a scale of {scale} is not between 1 and 8")));
    }
    let side = |side: usize| (side as f64 * scale).round() as usize;
    let size = input.chroma.whole_groups(Size::new(side(input.size.width), side(input.size.height)));
    Ok(Header { size, ..input.clone() })
}

/// Bytes of all planes and frames that are held at once; the generator's own are not counted.
fn check_memory(input: &Header, output: &Header, model: Size, planes: usize, most: Option<u64>) -> Result<()> {
    let fit = if model == output.size { 0 } else { model.area() * planes + output.size.width * model.height };
    let samples = (input.size.area() + output.size.area()) * (planes + 1) + fit;
    let needed = 4 * samples as u64 + 4 * (input.frame_bytes() as u64 + output.frame_bytes() as u64);
    match most {
        Some(most) if needed > most => Err(Error::limit(format!(
            "frames of {} enlarged to {} need {} MB of memory, more than the {} MB that are allowed",
            input.size,
            output.size,
            needed.div_ceil(1 << 20),
            most >> 20
        ))
        .fix("raise --max-memory, or shrink the video first")),
        _ => Ok(()),
    }
}

impl Colouring {
    fn through(input: &Header, output: &Header, matrix: Option<Matrix>) -> Self {
        let matrix = matrix.unwrap_or(Matrix::usual(input.size));
        let up = Resampler::to_luma(input.chroma, input.size);
        let down = Resampler::from_luma(output.chroma, output.size);
        match (input.chroma_size(), up, down) {
            (Some(size), Some(up), Some(down)) => {
                Self::Through { matrix, chroma: Plane::new(size), up: Box::new(up), down: Box::new(down) }
            }
            _ => Self::Grey(matrix),
        }
    }

    /// Completes the generator's input, whose first plane holds luma, from the frame's chroma bytes.
    fn before(&mut self, bytes: &[u8], input: &Header, planes: &mut [Plane]) {
        match self {
            Self::Beside(_) => {}
            Self::Grey(_) => {
                let (luma, rest) = planes.split_at_mut(1);
                for plane in rest {
                    plane.data.copy_from_slice(&luma[0].data);
                }
            }
            Self::Through { matrix, chroma, up, .. } => {
                let levels = input.effective_range().chroma(input.bits);
                for (bytes, plane) in bytes.chunks_exact(input.chroma_bytes()).zip(&mut planes[1..]) {
                    load(bytes, input.bits, levels, &mut chroma.data);
                    up.run(chroma, |y, row| plane.row_mut(y).copy_from_slice(row));
                }
                convert(planes, |ycbcr| matrix.to_rgb(ycbcr));
            }
        }
    }

    /// Leaves luma in the first of the generator's planes and writes the enlarged chroma.
    fn after(
        &mut self,
        bytes: &[u8],
        [input, output]: [&Header; 2],
        planes: &mut [Plane],
        into: &mut [u8],
    ) -> Result<()> {
        let levels = input.effective_range().chroma(input.bits);
        let stride = output.chroma_size().map_or(0, |size| size.width * output.sample_bytes());
        let write =
            |to: &mut [u8], y: usize, row: &[f32]| store(row, output.bits, levels, &mut to[y * stride..][..stride]);
        match self {
            Self::Beside(None) => {}
            Self::Beside(Some(beside)) => {
                let rows = 0..output.chroma_size().map_or(0, |size| size.height);
                beside.run(bytes, into, rows)?;
            }
            Self::Grey(matrix) => convert(planes, |rgb| matrix.to_ycbcr(rgb)),
            Self::Through { matrix, down, .. } => {
                convert(planes, |rgb| matrix.to_ycbcr(rgb));
                for (plane, to) in planes[1..].iter().zip(into.chunks_exact_mut(output.chroma_bytes())) {
                    down.run(plane, |y, row| write(to, y, row));
                }
            }
        }
        Ok(())
    }
}

/// Takes each pixel of three planes to another colour space.
fn convert(planes: &mut [Plane], colour: impl Fn([f32; 3]) -> [f32; 3]) {
    if let [a, b, c] = planes {
        for ((a, b), c) in a.data.iter_mut().zip(&mut b.data).zip(&mut c.data) {
            [*a, *b, *c] = colour([*a, *b, *c]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_keep_grey_and_go_both_ways() {
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
            for colour in [[0.3, 0.3, 0.3], [1.0, 0.0, 0.0], [0.1, 0.9, 0.4]] {
                let ycbcr = matrix.to_ycbcr(colour);
                let back = matrix.to_rgb(ycbcr);
                assert!(colour.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-5), "{matrix:?} {colour:?} {back:?}");
            }
            let [y, cb, cr] = matrix.to_ycbcr([0.3; 3]);
            assert!((y - 0.3).abs() < 1e-6 && (cb - 0.5).abs() < 1e-6 && (cr - 0.5).abs() < 1e-6);
        }
    }
}
