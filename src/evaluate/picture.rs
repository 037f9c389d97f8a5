//! Pictures as the benchmarks hold them: 8 bits, red, green and blue, whole in memory.

use crate::codec::{self, EncodeOptions, Format, Memory, Metadata, PictureInfo, RowSource};
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout, Plane};
use crate::geometry::{Rect, Size};
use crate::metric::{Meter, Scores};

/// An 8-bit picture; a grey one has three equal channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width and height.
    pub size: Size,
    /// Red, green, blue of each pixel, row by row.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Takes in every row of `source`, rounded to 8 bits. Alpha is left out; grey becomes three equal channels.
    ///
    /// # Errors
    /// An input error where the file is damaged.
    pub fn gather(source: &mut dyn RowSource) -> Result<Self> {
        let (size, layout) = (source.info().size, source.info().layout);
        let mut rgb = Vec::with_capacity(size.area() * 3);
        let mut row = vec![0.0; size.width * layout.channels()];
        for _ in 0..size.height {
            source.next_row(&mut row)?;
            append_rgb(&mut rgb, &row, layout);
        }
        Ok(Self { size, rgb })
    }

    /// The picture whose red, green and blue are `planes` (0..1), clamped and rounded to 8 bits.
    pub fn from_planes(planes: &[Plane; 3]) -> Self {
        let size = planes[0].size;
        let sample = |i: usize| Depth::Eight.quantise(planes[i % 3].data[i / 3]) as u8;
        Self { size, rgb: (0..size.area() * 3).map(sample).collect() }
    }

    /// Red, green and blue as planes of 0..1.
    pub fn planes(&self) -> [Plane; 3] {
        std::array::from_fn(|channel| Plane {
            size: self.size,
            data: self.rgb.iter().skip(channel).step_by(3).map(|&x| f32::from(x) / 255.0).collect(),
        })
    }

    /// Whether every pixel is grey.
    pub fn is_grey(&self) -> bool {
        self.rgb.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b)
    }

    /// A copy of what lies inside `rect`, which must lie inside the picture.
    #[must_use]
    pub fn crop(&self, rect: Rect) -> Self {
        let mut rgb = Vec::with_capacity(rect.size.area() * 3);
        for y in rect.y..rect.bottom() {
            rgb.extend_from_slice(&self.rgb[(y * self.size.width + rect.x) * 3..][..rect.size.width * 3]);
        }
        Self { size: rect.size, rgb }
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// What the encoder reports.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let file = Memory::default();
        let info = self.info(Layout::Rgb);
        let mut sink = codec::write_to(file.clone(), Format::Png, &info, &EncodeOptions::default())?;
        for y in 0..self.size.height {
            sink.write_row(&self.row(y).collect::<Vec<_>>())?;
        }
        sink.finish()?;
        Ok(file.take())
    }

    /// What a source of this picture says about itself.
    pub(super) fn info(&self, layout: Layout) -> PictureInfo {
        PictureInfo { size: self.size, layout, depth: Depth::Eight, metadata: Metadata::default(), streams: true }
    }

    /// Row `y` as samples of 0..1, interleaved.
    pub fn row(&self, y: usize) -> impl Iterator<Item = f32> {
        let stride = self.size.width * 3;
        self.rgb[y * stride..][..stride].iter().map(|&x| f32::from(x) / 255.0)
    }
}

/// Rounds a row of any layout to 8 bits and appends its red, green and blue.
pub(super) fn append_rgb(rgb: &mut Vec<u8>, row: &[f32], layout: Layout) {
    let channels = if layout.colours() == 1 { [0, 0, 0] } else { [0, 1, 2] };
    for pixel in row.chunks_exact(layout.channels()) {
        rgb.extend(channels.map(|c| Depth::Eight.quantise(pixel[c]) as u8));
    }
}

/// Scores `picture` against `original`, with `border` pixels cut on every side.
///
/// # Errors
/// An input error where the sizes differ or nothing is left inside the border.
pub fn score(picture: &Picture, original: &Picture, border: usize) -> Result<Scores> {
    if picture.size != original.size {
        return Err(Error::input(format!("{} cannot be measured against {}", picture.size, original.size)));
    }
    let mut meter = Meter::new(original.size, border)
        .ok_or_else(|| Error::input(format!("{} has nothing inside a border of {border}", original.size)))?;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for y in 0..original.size.height {
        a.clear();
        b.clear();
        a.extend(picture.row(y));
        b.extend(original.row(y));
        meter.push_row(&a, &b);
    }
    Ok(meter.finish())
}
