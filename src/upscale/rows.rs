//! Resampling of rows as they come, holding only those that the next output looks at.

use crate::geometry::Size;
use crate::resample::{Filter, Weights};
use std::collections::VecDeque;

/// Takes the rows of one plane from the top and gives those of the plane at another size.
pub(crate) struct RowResampler {
    /// `None` where rows keep their width.
    across: Option<Weights>,
    /// `None` where every row stays.
    down: Option<Weights>,
    /// The first row that each output or any later one looks at.
    keep: Vec<usize>,
    to: Size,
    /// Rows as they came, not yet looked at.
    waiting: VecDeque<Vec<f32>>,
    /// Rows at the new width that the next output may look at; the first is input row `first`.
    active: VecDeque<Vec<f32>>,
    first: usize,
    /// Buffers to use again.
    spare: Vec<Vec<f32>>,
    next: usize,
}

impl RowResampler {
    pub(crate) fn new(from: Size, to: Size, filter: Filter) -> Self {
        let weights = |from, to| (from != to).then(|| Weights::new(from, to, filter));
        let down = weights(from.height, to.height);
        let firsts = (0..to.height).map(|y| down.as_ref().map_or(y, |down| down.taps(y).0));
        // An output that falls on a row needs fewer of them than the next one does, so the first needed may step back.
        let mut keep: Vec<usize> = firsts.collect();
        for y in (1..keep.len()).rev() {
            keep[y - 1] = keep[y - 1].min(keep[y]);
        }
        Self {
            across: weights(from.width, to.width),
            down,
            keep,
            to,
            waiting: VecDeque::new(),
            active: VecDeque::new(),
            first: 0,
            spare: Vec::new(),
            next: 0,
        }
    }

    /// Takes the next row.
    pub(crate) fn push(&mut self, row: &[f32]) {
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(row);
        self.waiting.push_back(kept);
    }

    /// One past the last input row that the next output looks at.
    fn end(&self) -> usize {
        self.down.as_ref().map_or(self.next + 1, |down| {
            let (first, taps) = down.taps(self.next);
            first + taps.len()
        })
    }

    /// Whether there is a next output and every row that it looks at has come.
    pub(crate) fn is_ready(&self) -> bool {
        self.next < self.to.height && self.end() <= self.first + self.active.len() + self.waiting.len()
    }

    /// Writes the next output row; [`RowResampler::is_ready`] must hold.
    pub(crate) fn pull(&mut self, output: &mut [f32]) {
        while self.first < self.keep[self.next] {
            let passed = self.active.pop_front().or_else(|| self.waiting.pop_front());
            self.spare.extend(passed);
            self.first += 1;
        }
        while self.first + self.active.len() < self.end() {
            let Some(row) = self.waiting.pop_front() else { break };
            let row = match &self.across {
                None => row,
                Some(across) => {
                    let mut wide = self.spare.pop().unwrap_or_default();
                    wide.resize(self.to.width, 0.0);
                    across.filter_row(&row, &mut wide);
                    self.spare.push(row);
                    wide
                }
            };
            self.active.push_back(row);
        }
        match &self.down {
            Some(down) => down.blend_rows(self.next, |y| &self.active[y - self.first], output),
            None => output.copy_from_slice(&self.active[self.next - self.first]),
        }
        self.next += 1;
    }

    /// Bytes held at most, where `waiting` rows come before they can be used.
    pub(crate) fn bytes(from: Size, to: Size, filter: Filter, waiting: usize) -> u64 {
        let taps = |from: usize, to: usize| {
            let radius = if filter == Filter::Lanczos3 { 3 } else { 2 };
            (2 * radius * from.div_ceil(to).max(1) + 1) as u64
        };
        let (across, down) = (taps(from.width, to.width), taps(from.height, to.height));
        let weights = to.width as u64 * (16 + 4 * across) + to.height as u64 * (24 + 4 * down);
        4 * (waiting as u64 * from.width as u64 + (down + 2) * to.width as u64) + weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Plane;
    use crate::resample::resize;
    use crate::upscale::testing::Noise;

    #[test]
    fn rows_as_they_come_equal_the_whole_plane() {
        let from = Size::new(13, 19);
        let picture = Noise(4).plane(from);
        for filter in Filter::ALL {
            for to in [from, Size::new(26, 38), Size::new(40, 19), Size::new(13, 44), Size::new(5, 7), Size::new(1, 1)]
            {
                let mut rows = RowResampler::new(from, to, filter);
                let mut got = Plane::from_fn(to, |_, _| f32::NAN);
                let mut y = 0;
                for row in 0..from.height {
                    rows.push(picture.row(row));
                    while rows.is_ready() {
                        rows.pull(got.row_mut(y));
                        y += 1;
                    }
                }
                assert_eq!(y, to.height, "{filter:?} {to}");
                let close = got.data.iter().zip(&resize(&picture, to, filter).data).all(|(a, b)| (a - b).abs() < 1e-6);
                assert!(close, "{filter:?} {to}");
                let most = Weights::new(from.height, to.height, filter).most_taps() + 1;
                assert!(rows.active.len() <= most, "{filter:?} {to} holds too many rows");
            }
        }
    }
}
