//! From planes to what programs expect of a camera, in whole numbers.

use super::LoopbackPacking;
use crate::device::shot::Picture;
use crate::geometry::Size;
use crate::y4m::Range;

/// Codes of television for codes of a picture.
struct Levels {
    luma: [u8; 256],
    chroma: [u8; 256],
}

impl Levels {
    fn new(range: Range) -> Self {
        let mut levels = Self { luma: [0; 256], chroma: [0; 256] };
        for code in 0..256_usize {
            let (luma, chroma) = match range {
                Range::Studio => (code, code),
                // Rounded to the nearest; chroma about its middle, 128.
                Range::Full => (16 + (code * 219 + 127) / 255, (code * 224 + 128 * 31 + 127) / 255),
            };
            (levels.luma[code], levels.chroma[code]) = (luma as u8, chroma as u8);
        }
        levels
    }
}

/// Takes planar pictures to the bytes of one packing, with the tables and rows that this needs.
pub(super) struct Converter {
    full: Levels,
    studio: Levels,
    blue: Vec<u8>,
    red: Vec<u8>,
}

/// The planes of a picture: luma, blue, red, and the chroma's group.
struct Planes<'a> {
    width: usize,
    luma: &'a [u8],
    chroma: Option<Colour<'a>>,
}

#[derive(Clone, Copy)]
struct Colour<'a> {
    blue: &'a [u8],
    red: &'a [u8],
    width: usize,
    across: usize,
    down: usize,
    rows: usize,
}

fn planes(picture: &Picture) -> Option<Planes<'_>> {
    let Size { width, height } = picture.header.size;
    let (luma, rest) = picture.bytes.split_at_checked(width * height)?;
    let chroma = match picture.header.chroma.group() {
        None => None,
        Some((across, down)) => {
            let (wide, rows) = (width.div_ceil(across), height.div_ceil(down));
            let (blue, rest) = rest.split_at_checked(wide * rows)?;
            Some(Colour { blue, red: rest.get(..wide * rows)?, width: wide, across, down, rows })
        }
    };
    Some(Planes { width, luma, chroma })
}

/// One chroma sample for two pixels of two rows, `top` and `bottom`, which may be the same.
fn halve(top: &[u8], bottom: &[u8], across: usize, levels: &[u8; 256], out: &mut [u8]) {
    let level = |sum: u16, count: u16| levels[usize::from((sum + count / 2) / count)];
    if across == 2 {
        for ((out, &a), &b) in out.iter_mut().zip(top).zip(bottom) {
            *out = level(u16::from(a) + u16::from(b), 2);
        }
    } else {
        for ((out, a), b) in out.iter_mut().zip(top.as_chunks::<2>().0).zip(bottom.as_chunks::<2>().0) {
            *out = level(a.iter().chain(b).map(|&sample| u16::from(sample)).sum(), 4);
        }
    }
}

impl Colour<'_> {
    /// The blue and red samples of the pixels of row `y` and, where `rows` is 2, the row below, one for two pixels.
    fn row(&self, y: usize, rows: usize, levels: &[u8; 256], blue: &mut [u8], red: &mut [u8]) {
        let place = |y: usize| {
            let row = (y / self.down).min(self.rows.saturating_sub(1));
            row * self.width..(row + 1) * self.width
        };
        let (top, bottom) = (place(y), place(y + rows - 1));
        halve(&self.blue[top.clone()], &self.blue[bottom.clone()], self.across, levels, blue);
        halve(&self.red[top], &self.red[bottom], self.across, levels, red);
    }
}

impl Converter {
    pub(super) fn new() -> Self {
        let [full, studio] = [Range::Full, Range::Studio].map(Levels::new);
        Self { full, studio, blue: Vec::new(), red: Vec::new() }
    }

    /// Writes the top left `size` pixels of `picture` (both sides even, no larger than it) to `out`, rows `stride` bytes apart.
    /// `false` where the picture has not the bytes that its header says.
    pub(super) fn run(
        &mut self,
        picture: &Picture,
        to: LoopbackPacking,
        size: Size,
        stride: usize,
        out: &mut [u8],
    ) -> bool {
        let Some(planes) = planes(picture) else { return false };
        let levels = match picture.header.range {
            Some(Range::Full) => &self.full,
            Some(Range::Studio) | None => &self.studio,
        };
        let half = size.width / 2;
        for row in [&mut self.blue, &mut self.red] {
            row.clear();
            row.resize(half, 128);
        }
        let (blue, red) = (&mut self.blue[..], &mut self.red[..]);
        let luma = |y: usize| &planes.luma[y * planes.width..][..size.width];
        if to == LoopbackPacking::Yuyv {
            for (y, row) in out.chunks_mut(stride).take(size.height).enumerate() {
                if let Some(colour) = planes.chroma {
                    colour.row(y, 1, &levels.chroma, blue, red);
                }
                let groups = row.as_chunks_mut::<4>().0.iter_mut();
                for (((group, pair), &blue), &red) in groups.zip(luma(y).as_chunks::<2>().0).zip(&*blue).zip(&*red) {
                    *group = [levels.luma[usize::from(pair[0])], blue, levels.luma[usize::from(pair[1])], red];
                }
            }
            return true;
        }
        let (top, bottom) = out.split_at_mut(stride * size.height);
        for (y, row) in top.chunks_mut(stride).enumerate() {
            for (out, &code) in row.iter_mut().zip(luma(y)) {
                *out = levels.luma[usize::from(code)];
            }
        }
        for y in 0..size.height / 2 {
            if let Some(colour) = planes.chroma {
                colour.row(2 * y, 2, &levels.chroma, blue, red);
            }
            if to == LoopbackPacking::Nv12 {
                let pairs = bottom[y * stride..][..size.width].as_chunks_mut::<2>().0.iter_mut();
                for ((pair, &blue), &red) in pairs.zip(&*blue).zip(&*red) {
                    *pair = [blue, red];
                }
            } else {
                let (half_stride, plane) = (stride / 2, stride / 2 * (size.height / 2));
                bottom[y * half_stride..][..half].copy_from_slice(blue);
                bottom[plane + y * half_stride..][..half].copy_from_slice(red);
            }
        }
        true
    }
}

/// Bytes of a frame of `size` (both sides even) in rows of `stride` bytes.
pub(super) fn frame_bytes(to: LoopbackPacking, size: Size, stride: usize) -> usize {
    match to {
        LoopbackPacking::Yuyv => stride * size.height,
        LoopbackPacking::Nv12 | LoopbackPacking::Yu12 => stride * size.height / 2 * 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::y4m::{Chroma, Header, Siting};

    fn picture(chroma: Chroma, range: Option<Range>, width: usize, height: usize, bytes: &[u8]) -> Picture {
        let size = Size::new(width, height);
        let header = Header { size, chroma, bits: 8, rate: None, aspect: None, range, comments: Vec::new() };
        assert_eq!(header.frame_bytes(), bytes.len());
        Picture { header, bytes: bytes.to_vec() }
    }

    fn convert(picture: &Picture, to: LoopbackPacking, stride: usize) -> Vec<u8> {
        let Size { width, height } = picture.header.size;
        let size = Size::new(width & !1, height & !1);
        let mut out = vec![9; frame_bytes(to, size, stride)];
        assert!(Converter::new().run(picture, to, size, stride, &mut out));
        out
    }

    const C420: Chroma = Chroma::C420(Siting::Left);

    #[test]
    fn studio_samples_are_only_put_elsewhere() {
        let frame = picture(C420, None, 4, 2, &[1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 30, 31]);
        let yuyv = [1, 20, 2, 30, 3, 21, 4, 31, 5, 20, 6, 30, 7, 21, 8, 31];
        assert_eq!(convert(&frame, LoopbackPacking::Yuyv, 8), yuyv);
        assert_eq!(convert(&frame, LoopbackPacking::Nv12, 4), [1, 2, 3, 4, 5, 6, 7, 8, 20, 30, 21, 31]);
        assert_eq!(convert(&frame, LoopbackPacking::Yu12, 4), [1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 30, 31]);
    }

    #[test]
    fn chroma_is_averaged_where_there_is_more() {
        let frame = picture(Chroma::C422, None, 2, 2, &[1, 2, 3, 4, 20, 23, 30, 40]);
        assert_eq!(convert(&frame, LoopbackPacking::Yuyv, 4), [1, 20, 2, 30, 3, 23, 4, 40]);
        assert_eq!(convert(&frame, LoopbackPacking::Nv12, 2), [1, 2, 3, 4, 22, 35]);
        let frame = picture(Chroma::C444, None, 2, 2, &[1, 2, 3, 4, 10, 11, 20, 22, 0, 255, 255, 255]);
        assert_eq!(convert(&frame, LoopbackPacking::Yuyv, 4), [1, 11, 2, 128, 3, 21, 4, 255]);
        assert_eq!(convert(&frame, LoopbackPacking::Yu12, 2), [1, 2, 3, 4, 16, 191]);
    }

    #[test]
    fn grey_stays_grey() {
        let frame = picture(Chroma::Mono, None, 2, 2, &[1, 2, 3, 4]);
        assert_eq!(convert(&frame, LoopbackPacking::Yuyv, 4), [1, 128, 2, 128, 3, 128, 4, 128]);
        assert_eq!(convert(&frame, LoopbackPacking::Nv12, 2), [1, 2, 3, 4, 128, 128]);
    }

    #[test]
    fn full_range_becomes_televisions() {
        let frame = picture(C420, Some(Range::Full), 2, 2, &[0, 255, 128, 1, 0, 255]);
        assert_eq!(convert(&frame, LoopbackPacking::Nv12, 2), [16, 235, 126, 17, 16, 240]);
        let levels = Levels::new(Range::Full);
        assert_eq!(levels.chroma[128], 128, "grey stays grey");
        for code in 0..256 {
            let exact = 128.0 + (code as f64 - 128.0) * 224.0 / 255.0;
            assert!((f64::from(levels.chroma[code]) - exact).abs() <= 0.502, "{code}");
            let exact = 16.0 + code as f64 * 219.0 / 255.0;
            assert!((f64::from(levels.luma[code]) - exact).abs() <= 0.502, "{code}");
        }
    }

    #[test]
    fn padding_is_left_alone_and_odd_edges_are_cut() {
        let frame = picture(Chroma::Mono, None, 3, 3, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(convert(&frame, LoopbackPacking::Yuyv, 6), [1, 128, 2, 128, 9, 9, 4, 128, 5, 128, 9, 9]);
        let frame = picture(C420, None, 3, 3, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 22, 23, 30, 31, 32, 33]);
        assert_eq!(convert(&frame, LoopbackPacking::Yu12, 4), [1, 2, 9, 9, 4, 5, 9, 9, 20, 9, 30, 9]);
    }

    #[test]
    fn a_picture_that_is_too_short_is_not_read_past_its_end() {
        let mut frame = picture(C420, None, 2, 2, &[1, 2, 3, 4, 5, 6]);
        frame.bytes.pop();
        assert!(!Converter::new().run(&frame, LoopbackPacking::Nv12, Size::new(2, 2), 2, &mut [0; 6]));
    }
}
