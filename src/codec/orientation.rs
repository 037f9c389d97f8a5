//! The eight ways in which a camera may have been held, as walks through the stored rows.

use crate::geometry::Size;

/// EXIF orientation, 1 to 8: how the stored rows must be turned to stand upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Orientation(u8);

impl Orientation {
    /// The rows are as they should be.
    pub(super) const UPRIGHT: Self = Self(1);

    /// From an EXIF or TIFF value; what the standard does not define counts as upright.
    pub(super) fn from_exif(value: u16) -> Self {
        if (1..=8).contains(&value) { Self(value as u8) } else { Self::UPRIGHT }
    }

    /// The size of the upright picture.
    pub(super) fn apply(self, stored: Size) -> Size {
        if self.0 >= 5 { stored.transposed() } else { stored }
    }

    /// Where row `y` of the upright picture lies among the stored pixels: the index of its first pixel and the step from
    /// each to the next.
    pub(super) fn walk(self, stored: Size, y: usize) -> (usize, isize) {
        let (w, h) = (stored.width, stored.height);
        let last_row = (h - 1) * w;
        let down = w as isize;
        match self.0 {
            2 => (y * w + w - 1, -1),
            3 => ((h - 1 - y) * w + w - 1, -1),
            4 => ((h - 1 - y) * w, 1),
            5 => (y, down),
            6 => (last_row + y, -down),
            7 => (last_row + w - 1 - y, -down),
            8 => (w - 1 - y, down),
            _ => (y * w, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The upright picture is always abc/def; what a camera held each way would have stored stands beside its EXIF value.
    #[test]
    fn every_orientation_comes_out_upright() {
        let stored: [(u16, &[&str]); 8] = [
            (1, &["abc", "def"]),
            (2, &["cba", "fed"]),
            (3, &["fed", "cba"]),
            (4, &["def", "abc"]),
            (5, &["ad", "be", "cf"]),
            (6, &["cf", "be", "ad"]),
            (7, &["fc", "eb", "da"]),
            (8, &["da", "eb", "fc"]),
        ];
        for (value, rows) in stored {
            let orientation = Orientation::from_exif(value);
            let size = Size::new(rows[0].len(), rows.len());
            let pixels: Vec<u8> = rows.concat().into_bytes();
            let upright = orientation.apply(size);
            assert_eq!(upright, Size::new(3, 2), "{value}");
            let walked: String = (0..upright.height)
                .flat_map(|y| {
                    let (start, step) = orientation.walk(size, y);
                    (0..upright.width as isize).map(move |x| start.wrapping_add_signed(step * x))
                })
                .map(|index| char::from(pixels[index]))
                .collect();
            assert_eq!(walked, "abcdef", "orientation {value}");
        }
    }

    #[test]
    fn unknown_values_count_as_upright() {
        for value in [0, 9, 65535] {
            assert_eq!(Orientation::from_exif(value), Orientation::UPRIGHT);
        }
    }
}
