//! Two pictures held against each other, row by row: any layout, any depth, in bounded memory.

use crate::codec::{PictureInfo, RowSink, RowSource};
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout};
use crate::geometry::Size;
use crate::metric::{Meter, Scores, psnr};

/// How near two pictures are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Width and height of both.
    pub size: Size,
    /// Of the colours; where a picture has alpha, of both laid over black.
    pub scores: Scores,
    /// PSNR of alpha in dB where one of them has alpha (the other then counts as opaque); infinite where equal.
    pub psnr_alpha: Option<f64>,
}

/// Measures `a` against `b` without a `border` of pixels on each side. Samples are compared at their own depth.
///
/// # Errors
/// An input error where the sizes differ, nothing is left inside the border, or a file is damaged.
pub fn compare(a: &mut dyn RowSource, b: &mut dyn RowSource, border: usize) -> Result<Comparison> {
    let size = one_size(a.info(), b.info())?;
    let has_alpha = a.info().layout.has_alpha() || b.info().layout.has_alpha();
    let mut meter = Meter::new(size, border).ok_or_else(|| {
        Error::usage(format!("nothing of {size} is left inside a border of {border}")).fix("crop less")
    })?;
    let (mut a, mut b) = (Rows::new(a), Rows::new(b));
    let mut alpha_error = 0.0;
    for y in 0..size.height {
        a.advance()?;
        b.advance()?;
        meter.push_row(&a.rgb, &b.rgb);
        if (border..size.height - border).contains(&y) {
            let pairs = a.alpha.iter().zip(&b.alpha).take(size.width - border).skip(border);
            alpha_error += pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        }
    }
    let pixels = (size.width - 2 * border) as f64 * (size.height - 2 * border) as f64;
    Ok(Comparison { size, scores: meter.finish(), psnr_alpha: has_alpha.then(|| psnr(alpha_error / pixels)) })
}

/// What the sink of [`draw_difference`] is to be made for.
pub fn difference_info(of: &PictureInfo) -> PictureInfo {
    PictureInfo {
        size: of.size,
        layout: Layout::Rgb,
        depth: Depth::Eight,
        metadata: crate::codec::Metadata::default(),
        streams: true,
    }
}

/// The factor that makes the differences of `scores` well visible: the largest power of two up to 128 that lifts four times
/// their root mean square to white at most. Few pixels differ by more, and are clipped.
pub fn visible_factor(scores: &Scores) -> u32 {
    let root_mean_square = 10_f64.powf(scores.psnr_rgb / -20.0);
    let fits = |factor: &u32| 4.0 * root_mean_square * f64::from(*factor) <= 1.0;
    (0..=7).rev().map(|power| 1 << power).find(fits).unwrap_or(1)
}

/// Writes `|a − b| · factor` of red, green and blue: black where the pictures are equal.
///
/// # Errors
/// As [`compare`], and what the sink reports.
pub fn draw_difference(
    a: &mut dyn RowSource,
    b: &mut dyn RowSource,
    factor: u32,
    mut sink: Box<dyn RowSink>,
) -> Result<()> {
    let size = one_size(a.info(), b.info())?;
    let (mut a, mut b) = (Rows::new(a), Rows::new(b));
    let mut row = Vec::with_capacity(size.width * 3);
    for _ in 0..size.height {
        a.advance()?;
        b.advance()?;
        row.clear();
        row.extend(a.rgb.iter().zip(&b.rgb).map(|(a, b)| (a - b).abs() * factor as f32));
        sink.write_row(&row)?;
    }
    sink.finish()
}

fn one_size(a: &PictureInfo, b: &PictureInfo) -> Result<Size> {
    if a.size != b.size {
        return Err(Error::input(format!("one picture is {} and the other {}", a.size, b.size))
            .fix("compare pictures of one size: enlarge the smaller one, or crop the larger one"));
    }
    Ok(a.size)
}

/// A source whose rows come as red, green and blue, laid over black by their alpha.
struct Rows<'a> {
    source: &'a mut dyn RowSource,
    layout: Layout,
    raw: Vec<f32>,
    rgb: Vec<f32>,
    alpha: Vec<f32>,
}

impl<'a> Rows<'a> {
    fn new(source: &'a mut dyn RowSource) -> Self {
        let (width, layout) = (source.info().size.width, source.info().layout);
        Self {
            source,
            layout,
            raw: vec![0.0; width * layout.channels()],
            rgb: vec![0.0; width * 3],
            alpha: vec![1.0; width],
        }
    }

    fn advance(&mut self) -> Result<()> {
        self.source.next_row(&mut self.raw)?;
        let pixels = self.raw.chunks_exact(self.layout.channels());
        for ((pixel, rgb), alpha) in pixels.zip(self.rgb.chunks_exact_mut(3)).zip(&mut self.alpha) {
            let (colours, opacity) = pixel.split_at(self.layout.colours());
            *alpha = opacity.first().copied().unwrap_or(1.0);
            for (channel, sample) in rgb.iter_mut().enumerate() {
                *sample = colours[channel.min(colours.len() - 1)] * *alpha;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_follows_the_root_mean_square() {
        // 48.13 dB is one level of 255, 28.13 dB ten levels: 4 × 10 × 4 = 160, and times 8 would be more than white.
        for (psnr_rgb, factor) in [(f64::INFINITY, 128), (48.13, 32), (28.13, 4), (13.0, 1), (0.0, 1)] {
            let scores = Scores { psnr_y: psnr_rgb, ssim_y: None, psnr_rgb, largest_difference: 1.0 };
            assert_eq!(visible_factor(&scores), factor, "{psnr_rgb}");
        }
    }
}
