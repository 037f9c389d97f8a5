//! A moving test card with its frame number drawn into it: the whole live program can be tried, and its latency measured, with
//! no camera.

mod number;

pub use number::{read_number, smallest};

use super::{Next, Source};
use crate::colour::ycbcr_from_rgb;
use crate::device::clock;
use crate::device::shot::{Format, Packing, Shot};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::sample;
use crate::y4m::{Chroma, Range, Ratio, Siting};
use std::str::FromStr;
use std::time::Duration;

/// What moves on the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Everything: the card scrolls.
    Full,
    /// A disc that wanders over the card, and the number.
    Walk,
    /// The number alone.
    Static,
}

/// What the card looks like: `size=640x480,rate=30,scene=full`, every part optional.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternOptions {
    /// Width and height.
    pub size: Size,
    /// Frames a second.
    pub rate: u32,
    /// What moves.
    pub scene: Scene,
    /// Frames after which the camera is "unplugged": the next one is an error.
    pub unplug: Option<u64>,
}

impl Default for PatternOptions {
    fn default() -> Self {
        Self { size: Size::new(640, 480), rate: 30, scene: Scene::Walk, unplug: None }
    }
}

impl FromStr for PatternOptions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut options = Self::default();
        for part in text.split([',', '&', '?']).filter(|part| !part.is_empty()) {
            options.take(part)?;
        }
        let least = smallest();
        if options.size.width < least.width
            || options.size.height < least.height
            || options.size.checked_area().is_none_or(|area| area > 1 << 24)
        {
            return Err(Error::usage(format!("a test card of {} does not hold its number", options.size))
                .fix(format!("choose at least {least} and at most 16 million pixels")));
        }
        Ok(options)
    }
}

impl PatternOptions {
    fn take(&mut self, part: &str) -> Result<()> {
        let wrong = || {
            Error::usage(format!("'{part}' says nothing about a test card"))
                .fix("write pattern:size=WxH,rate=FPS,scene=full|walk|static,unplug=FRAMES, every part optional")
        };
        let (key, value) = part.split_once('=').ok_or_else(wrong)?;
        let number = |most: u64| value.parse().ok().filter(|n: &u64| (1..=most).contains(n)).ok_or_else(wrong);
        match key {
            "size" => self.size = value.parse()?,
            "rate" => self.rate = number(1000)? as u32,
            "unplug" => self.unplug = Some(number(u64::MAX)?),
            "scene" => {
                self.scene = match value {
                    "full" => Scene::Full,
                    "walk" => Scene::Walk,
                    "static" => Scene::Static,
                    _ => return Err(wrong()),
                }
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

/// The card, a frame at a time at its rate.
pub struct Pattern {
    options: PatternOptions,
    /// The sample picture: luma, blue, red.
    card: Vec<u8>,
    number: u64,
    begin: Duration,
}

impl Pattern {
    /// Draws the card.
    ///
    /// # Errors
    /// Those of [`sample::draw`].
    pub fn new(options: PatternOptions) -> Result<Self> {
        let card = card(options.size)?;
        Ok(Self { options, card, number: 0, begin: clock::now() })
    }

    /// Draws frame `number` into `frame`, planar 4:2:0.
    pub fn draw(&self, number: u64, frame: &mut Vec<u8>) {
        frame.clear();
        frame.extend_from_slice(&self.card);
        let Size { width, height } = self.options.size;
        let (luma, chroma) = frame.split_at_mut(width * height);
        match self.options.scene {
            Scene::Static => {}
            Scene::Full => {
                let shift = (number as usize * 2) % width;
                luma.chunks_exact_mut(width).for_each(|row| row.rotate_left(shift));
                chroma.chunks_exact_mut(width.div_ceil(2)).for_each(|row| row.rotate_left(shift / 2));
            }
            Scene::Walk => disc(luma, self.options.size, number),
        }
        number::write_number(luma, width, number);
    }
}

impl Source for Pattern {
    fn format(&self) -> Format {
        let rate = Some(Ratio { num: self.options.rate, den: 1 });
        Format::new(Packing::Planar(Chroma::C420(Siting::Centre)), self.options.size, Range::Full, rate)
    }

    fn next(&mut self, shot: &mut Shot) -> Result<Next> {
        if self.options.unplug.is_some_and(|frames| self.number >= frames) {
            return Err(Error::new(crate::error::Kind::Io, "the test card was unplugged"));
        }
        let period = Duration::from_secs(1) / self.options.rate;
        let due = self.begin + period * self.number.min(u32::MAX.into()) as u32;
        if let Some(early) = due.checked_sub(clock::now()) {
            let half = Duration::from_millis(500);
            std::thread::sleep(early.min(half));
            if early > half {
                return Ok(Next::Nothing);
            }
        }
        shot.taken = clock::now();
        shot.format = self.format();
        shot.number = self.number;
        self.draw(self.number, &mut shot.bytes);
        // Frames that a slow machine missed are lost, like a camera's.
        let missed = (shot.taken.saturating_sub(due).as_nanos() / period.as_nanos().max(1)) as u64;
        self.number += 1 + missed;
        Ok(Next::Frame)
    }
}

/// The sample picture in full-range 4:2:0.
fn card(size: Size) -> Result<Vec<u8>> {
    let rgb = sample::draw(size)?;
    let Size { width, height } = size;
    let pixel = |x: usize, y: usize| {
        let at = 3 * (y.min(height - 1) * width + x.min(width - 1));
        ycbcr_from_rgb([rgb[at], rgb[at + 1], rgb[at + 2]].map(|code| f32::from(code) / 255.0))
    };
    let code = |sample: f32| (sample * 255.0 + 0.5).clamp(0.0, 255.0) as u8;
    let mut planes: Vec<u8> = (0..width * height).map(|i| code(pixel(i % width, i / width)[0])).collect();
    for channel in [1, 2] {
        for y in 0..height.div_ceil(2) {
            planes.extend((0..width.div_ceil(2)).map(|x| code(pixel(2 * x, 2 * y)[channel])));
        }
    }
    Ok(planes)
}

/// A bright disc whose middle goes round the card, eight pixels a frame at most.
fn disc(luma: &mut [u8], size: Size, number: u64) {
    let radius = (size.height / 10) as f64;
    let turn = number as f64 * 6.0 / size.width as f64;
    let (x, y) = (0.5 + 0.35 * turn.cos(), 0.5 + 0.3 * (turn * 1.7).sin());
    let (x, y) = (x * size.width as f64, y * size.height as f64);
    for row in ((y - radius).max(0.0) as usize)..((y + radius) as usize + 1).min(size.height) {
        let half = (radius * radius - (row as f64 - y).powi(2)).max(0.0).sqrt();
        let (from, to) = ((x - half).max(0.0) as usize, ((x + half).max(0.0) as usize).min(size.width));
        for (i, code) in luma[row * size.width..][..size.width][from.min(to)..to].iter_mut().enumerate() {
            *code = if (i / 8 + row / 8) % 2 == 0 { 230 } else { 60 };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_scene_carries_its_number_and_moves_what_it_says() {
        for (scene, least, most) in [("static", 1, 1200), ("walk", 200, 8000), ("full", 20_000, 76_800)] {
            let options: PatternOptions = format!("size=320x240,scene={scene}").parse().unwrap();
            let pattern = Pattern::new(options).unwrap();
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for number in [0, 1, 77, 65_535, 1_000_000] {
                pattern.draw(number, &mut before);
                assert_eq!(read_number(&before, Size::new(320, 240), 1), Some((number % (1 << 20)) as u32));
                pattern.draw(number + 1, &mut after);
                let moved = before[..320 * 240].iter().zip(&after).filter(|(a, b)| a != b).count();
                assert!((least..=most).contains(&moved), "{scene} {number}: {moved}");
            }
        }
    }

    #[test]
    fn frames_come_at_their_rate_and_then_the_plug_is_pulled() {
        let mut pattern = Pattern::new("size=160x120,rate=500,unplug=3".parse().unwrap()).unwrap();
        let mut shot = Shot::empty();
        let mut numbers = Vec::new();
        while let Ok(next) = pattern.next(&mut shot) {
            assert_eq!(next, Next::Frame);
            numbers.push(shot.number);
        }
        assert!(!numbers.is_empty() && numbers.is_sorted() && numbers[0] == 0 && numbers.len() <= 3);
        assert_eq!(shot.bytes.len(), 160 * 120 * 3 / 2);
    }

    #[test]
    fn what_is_no_card_is_refused() {
        for bad in ["size=8x8", "size=9", "rate=0", "rate=x", "scene=none", "colour=red", "fast"] {
            assert!(bad.parse::<PatternOptions>().is_err(), "{bad}");
        }
        assert_eq!("".parse::<PatternOptions>().unwrap(), PatternOptions::default());
    }
}
