//! Which blocks of a frame differ from what the kept picture was made of by more than a camera's noise.

use crate::error::{Error, Result};
use crate::geometry::{Rect, Size};
use crate::y4m::Header;
use std::str::FromStr;

/// Pixels of a block's side.
pub(super) const BLOCK: usize = 8;
/// What a single sample may differ by, beside what a block may in the mean: noise has tails.
const TAIL: f32 = 4.0;
/// What is taken for noise by itself, in codes: no eye sees less, and what cameras compress trembles by as much.
const LEAST: f32 = 2.0;
/// The most that is taken for noise, in codes.
const MOST_NOISE: f32 = 5.0;

/// Mean difference, in 8-bit codes, from which on a block of 8 × 8 pixels has changed. No sample of a block that has not
/// changed is off by more than four times as much and four codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// Twice the noise that is measured in the calmer part of the picture, 2 to 5 codes.
    Auto,
    /// So many codes; at 0 every difference counts.
    Codes(f32),
}

impl FromStr for Threshold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let codes = text.parse().ok().filter(|codes: &f32| (0.0..=64.0).contains(codes));
        match (text, codes) {
            ("auto", _) => Ok(Self::Auto),
            (_, Some(codes)) => Ok(Self::Codes(codes)),
            _ => Err(Error::usage(format!("'{text}' is no threshold")).fix("write auto, or codes from 0 to 64")),
        }
    }
}

/// How far a block is off.
#[derive(Debug, Clone, Copy, Default)]
struct Difference {
    sum: u32,
    most: u8,
}

/// Keeps the frame that the generator is fed with: new where blocks changed, as it was where they did not.
#[derive(Debug)]
pub(super) struct Changes {
    header: Header,
    threshold: Threshold,
    /// The frame that counts; empty before the first.
    kept: Vec<u8>,
    /// Blocks across and down.
    blocks: Size,
    /// Whether each block changed with the last frame.
    changed: Vec<bool>,
    /// One row of blocks of the frame in hand.
    row: Vec<Difference>,
    /// Means of the luma's blocks.
    means: Vec<f32>,
    /// Measured, in codes.
    noise: f32,
}

impl Changes {
    pub(super) fn new(header: &Header, threshold: Threshold) -> Self {
        let blocks = Size::new(header.size.width.div_ceil(BLOCK), header.size.height.div_ceil(BLOCK));
        Self {
            header: header.clone(),
            threshold,
            kept: Vec::with_capacity(header.frame_bytes()),
            blocks,
            changed: vec![true; blocks.area()],
            row: vec![Difference::default(); blocks.width],
            means: Vec::with_capacity(blocks.area()),
            noise: 0.0,
        }
    }

    /// The frame that counts.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Forgets what was kept: every block of the next frame is new.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
    }

    /// The mean difference from which on a block has changed just now, in codes.
    pub(super) fn threshold(&self) -> f32 {
        match self.threshold {
            Threshold::Auto => (2.0 * self.noise).clamp(LEAST, MOST_NOISE),
            Threshold::Codes(codes) => codes,
        }
    }

    /// Takes the next frame; gives the number of blocks that changed.
    pub(super) fn update(&mut self, frame: &[u8]) -> usize {
        if self.kept.len() != frame.len() {
            self.kept.clear();
            self.kept.extend_from_slice(frame);
            self.changed.fill(true);
            return self.changed.len();
        }
        self.changed.fill(false);
        self.means.clear();
        let (size, group) = (self.header.size, self.header.chroma.group());
        let luma = self.header.luma_bytes();
        self.plane(&frame[..luma], 0, size.width, (BLOCK, BLOCK), true);
        self.measure();
        if let (Some((across, down)), Some(own)) = (group, self.header.chroma_size()) {
            for begin in [luma, luma + self.header.chroma_bytes()] {
                let plane = &frame[begin..begin + own.area()];
                self.plane(plane, begin, own.width, (BLOCK / across, BLOCK / down), false);
            }
        }
        self.take(frame)
    }

    /// Marks the blocks of one plane, which lies at `begin` in a frame, of `side` samples each.
    fn plane(&mut self, plane: &[u8], begin: usize, width: usize, side: (usize, usize), luma: bool) {
        let (mean, most) =
            (self.threshold(), TAIL * self.threshold() + if self.threshold() > 0.0 { TAIL } else { 0.0 });
        let rows = plane.chunks(width * side.1).zip(self.kept[begin..].chunks(width * side.1));
        for (y, (new, old)) in rows.enumerate().take(self.blocks.height) {
            self.row.fill(Difference::default());
            for (new, old) in new.chunks_exact(width).zip(old.chunks_exact(width)) {
                let blocks = new.chunks(side.0).zip(old.chunks(side.0));
                for (difference, (new, old)) in self.row.iter_mut().zip(blocks) {
                    for (&a, &b) in new.iter().zip(old) {
                        let off = a.abs_diff(b);
                        difference.sum += u32::from(off);
                        difference.most = difference.most.max(off);
                    }
                }
            }
            let high = new.len() / width;
            for (x, difference) in self.row.iter().enumerate() {
                let wide = side.0.min(width.saturating_sub(x * side.0)).max(1);
                let own = difference.sum as f32 / (wide * high) as f32;
                if luma {
                    self.means.push(own);
                }
                if own > mean || f32::from(difference.most) > most {
                    self.changed[y * self.blocks.width + x] = true;
                }
            }
        }
    }

    /// Learns the noise from the calmest fifth of the blocks.
    fn measure(&mut self) {
        let place = self.means.len() / 5;
        if self.threshold == Threshold::Auto && place < self.means.len() {
            let (_, &mut calm, _) = self.means.select_nth_unstable_by(place, f32::total_cmp);
            let share = if self.noise == 0.0 { 1.0 } else { 0.2 };
            self.noise += share * (calm.min(MOST_NOISE) - self.noise);
        }
    }

    /// Keeps the new blocks; gives their number.
    fn take(&mut self, frame: &[u8]) -> usize {
        let (size, luma, chroma) = (self.header.size, self.header.luma_bytes(), self.header.chroma_bytes());
        let (own, group) = (self.header.chroma_size(), self.header.chroma.group().unwrap_or((1, 1)));
        let mut count = 0;
        for (index, _) in self.changed.iter().enumerate().filter(|(_, changed)| **changed) {
            let (x, y) = (index % self.blocks.width, index / self.blocks.width);
            copy_block(frame, &mut self.kept, size, (x, y), (BLOCK, BLOCK));
            if let Some(own) = own {
                for begin in [luma, luma + chroma] {
                    let side = (BLOCK / group.0, BLOCK / group.1);
                    copy_block(&frame[begin..], &mut self.kept[begin..], own, (x, y), side);
                }
            }
            count += 1;
        }
        count
    }

    /// Whether a block that touches `rect`, in luma pixels, changed.
    pub(super) fn touches(&self, rect: Rect) -> bool {
        let across = rect.x / BLOCK..rect.right().div_ceil(BLOCK).min(self.blocks.width);
        (rect.y / BLOCK..rect.bottom().div_ceil(BLOCK).min(self.blocks.height))
            .any(|y| self.changed[y * self.blocks.width..][across.clone()].contains(&true))
    }
}

/// Copies one block of a plane of `size` samples.
fn copy_block(from: &[u8], to: &mut [u8], size: Size, (x, y): (usize, usize), side: (usize, usize)) {
    let (left, right) = (x * side.0, ((x + 1) * side.0).min(size.width));
    if left >= right {
        return;
    }
    for row in y * side.1..((y + 1) * side.1).min(size.height) {
        let range = row * size.width + left..row * size.width + right;
        to[range.clone()].copy_from_slice(&from[range]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn header(chroma: &str) -> Header {
        Header::parse(&format!("YUV4MPEG2 W37 H21 C{chroma}")).unwrap()
    }

    #[test]
    fn a_changed_sample_of_any_plane_marks_its_block_alone() {
        for chroma in ["420jpeg", "422", "444", "mono"] {
            let header = header(chroma);
            let frame: Vec<u8> = (0..header.frame_bytes()).map(|i| (i * 7) as u8 / 2).collect();
            for at in 0..frame.len() {
                let mut changes = Changes::new(&header, Threshold::Codes(0.0));
                assert_eq!(changes.update(&frame), 15);
                assert_eq!(changes.update(&frame), 0);
                let mut other = frame.clone();
                other[at] ^= 1;
                assert_eq!(changes.update(&other), 1, "{chroma} at {at}");
                assert!(changes.kept() == other);
                let whole = Rect::new(0, 0, header.size);
                assert!(changes.touches(whole));
                assert_eq!(changes.update(&other), 0);
                assert!(!changes.touches(whole));
            }
        }
    }

    #[test]
    fn what_creeps_below_the_threshold_is_seen_when_it_has_come_far() {
        let header = header("mono");
        let mut changes = Changes::new(&header, Threshold::Codes(3.0));
        let changed: Vec<usize> = (0..8).map(|step| changes.update(&vec![100 + step; 37 * 21])).collect();
        assert_eq!(changed, [15, 0, 0, 0, 15, 0, 0, 0]);
    }

    #[test]
    fn noise_is_learnt_and_a_thin_line_is_not_noise() {
        let header = Header::parse("YUV4MPEG2 W128 H96 Cmono").unwrap();
        let mut changes = Changes::new(&header, Threshold::Auto);
        let mut state = 1_u32;
        let mut noisy = || -> Vec<u8> {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 29) as u8
            };
            // Four times 0 to 7 on the whole: sigma 2.3 after halving.
            (0..128 * 96).map(|_| 100 + (next() + next() + next() + next()) / 2).collect()
        };
        let counts: Vec<usize> = (0..60).map(|_| changes.update(&noisy())).collect();
        assert!(counts[40..].iter().all(|&count| count == 0), "{counts:?}");
        let mut frame = noisy();
        (40..48).for_each(|y| frame[y * 128 + 50] = 190);
        assert_eq!(changes.update(&frame), 1);
        assert!(changes.touches(Rect::new(48, 40, Size::new(8, 8))));
    }
}
