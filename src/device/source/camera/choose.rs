//! Which of a camera's formats, sizes and rates is taken: no device is touched here.

use super::CameraOptions;
use crate::device::shot::Packing;
use crate::geometry::Size;
use crate::y4m::Ratio;
use std::cmp::Ordering;

/// Sizes as a camera offers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// One size.
    One(Size),
    /// Every size from the least to the most in steps.
    Steps {
        /// The smallest.
        least: Size,
        /// The largest.
        most: Size,
        /// From one to the next, across and down; 0 is as good as 1.
        step: Size,
    },
}

/// Rates as a camera offers them, in frames a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rates {
    /// One rate.
    One(Ratio),
    /// Any rate from the first to the second.
    Between(Ratio, Ratio),
}

/// Sizes with the rates that are possible there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeOffer {
    /// The sizes.
    pub sides: Sides,
    /// The rates; none where the camera does not say.
    pub rates: Vec<Rates>,
}

/// What a camera offers in one packing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// How frames would come.
    pub packing: Packing,
    /// The sizes; none where the camera does not say.
    pub sizes: Vec<SizeOffer>,
}

/// What is asked of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// How frames shall come.
    pub packing: Packing,
    /// Width and height.
    pub size: Size,
    /// Frames a second, where something is known about rates or was wished.
    pub rate: Option<Ratio>,
}

/// What live work aims at: enlarged twice this fills a screen, and small machines keep up with it.
pub(super) const AIM: Size = Size::new(640, 480);
const AIM_RATE: Ratio = Ratio { num: 30, den: 1 };

/// A wish counts so much more than what is merely aimed at.
const WISHED: f64 = 20.0;
/// What it costs that a camera does not tell its sizes or rates: better than half the aim, worse than the aim itself.
const UNTOLD: f64 = 0.3;
/// Costs that differ by less than one of so many parts are equal: 29.97 is as good as 30.
const PARTS: f64 = 50.0;

impl Sides {
    /// The size nearest to `wish`.
    pub fn nearest(self, wish: Size) -> Size {
        let side = |wish: usize, least: usize, most: usize, step: usize| {
            let wish = wish.clamp(least.min(most), most.max(least));
            least + (wish - least.min(wish)) / step.max(1) * step.max(1)
        };
        match self {
            Self::One(size) => size,
            Self::Steps { least, most, step } => Size::new(
                side(wish.width, least.width, most.width, step.width),
                side(wish.height, least.height, most.height, step.height),
            ),
        }
    }
}

fn per_second(rate: Ratio) -> f64 {
    f64::from(rate.num) / f64::from(rate.den.max(1))
}

/// The highest rate up to `aim`, or else the lowest there is.
fn best_rate(rates: &[Rates], aim: Ratio) -> Option<Ratio> {
    // A little above, so that 30.00003 frames/s from a driver's microseconds count as 30.
    let top = per_second(aim) * 1.005;
    let rates = rates.iter().map(|&rates| match rates {
        Rates::One(rate) => rate,
        Rates::Between(a, b) => {
            let (least, most) = if per_second(a) <= per_second(b) { (a, b) } else { (b, a) };
            if per_second(aim) >= per_second(most) {
                most
            } else if per_second(aim) <= per_second(least) {
                least
            } else {
                aim
            }
        }
    });
    rates.filter(|rate| rate.num > 0 && rate.den > 0).max_by(|&a, &b| {
        let (a, b) = (per_second(a), per_second(b));
        match (a <= top, b <= top) {
            (true, true) => a.total_cmp(&b),
            (false, false) => b.total_cmp(&a),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
        }
    })
}

/// How far `size` is from `aim`; above costs more, since every pixel more is work.
fn size_cost(size: Size, aim: Size) -> f64 {
    let pixels = |size: Size| (size.width as f64) * (size.height as f64);
    let away = (pixels(size).max(1.0) / pixels(aim).max(1.0)).ln();
    // A little for another shape of the same area.
    let shape = |size: Size| (size.width as f64).max(1.0) / (size.height as f64).max(1.0);
    let shape = (shape(size) / shape(aim)).ln().abs() / 10.0;
    shape + if away > 0.0 { 2.0 * away } else { -away }
}

/// What costs least in decoding first; luma alone and colour at full size last.
fn rank(packing: Packing) -> usize {
    match packing {
        Packing::Yuyv => 0,
        Packing::Nv12 => 1,
        Packing::Planar(chroma) if chroma.group().is_some() => 2,
        Packing::Jpeg => 3,
        Packing::Planar(_) => 4,
        Packing::Rgb24 => 5,
    }
}

/// The cost of a choice, to be compared part by part.
type Cost = (i64, i64, usize);

fn cost(choice: &Choice, told: bool, wish: &CameraOptions) -> Cost {
    let (aim, aim_rate) = (wish.size.unwrap_or(AIM), per_second(wish.rate.unwrap_or(AIM_RATE)));
    let weight = |wished: bool| if wished { WISHED } else { 1.0 };
    let rate = choice.rate.filter(|_| told).map(per_second);
    let slow = rate.map_or(UNTOLD, |rate| (aim_rate / rate.min(aim_rate)).ln());
    let fast = rate.map_or(0.0, |rate| (rate.max(aim_rate) / aim_rate).ln());
    let cost = size_cost(choice.size, aim) * weight(wish.size.is_some()) + slow * weight(wish.rate.is_some());
    let parts = |cost: f64| (cost * PARTS).round() as i64;
    (parts(cost), parts(fast), rank(choice.packing))
}

/// The best that is offered. A packing that is wished but not offered is asked for all the same, since some drivers know more
/// than they tell; `None` only where nothing that is read is offered and none is wished.
///
/// Aimed at are 640 × 480 pixels and 30 frames a second; the highest rate up to that, then what is uncompressed.
pub fn choose(offers: &[Offer], wish: &CameraOptions) -> Option<Choice> {
    let (aim, aim_rate) = (wish.size.unwrap_or(AIM), wish.rate.unwrap_or(AIM_RATE));
    let mut best: Option<(Cost, Choice)> = None;
    let mut consider = |choice: Choice, told: bool| {
        let cost = cost(&choice, told, wish);
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, choice));
        }
    };
    for offer in offers.iter().filter(|offer| wish.packing.is_none_or(|packing| packing == offer.packing)) {
        let packing = offer.packing;
        if offer.sizes.is_empty() {
            consider(Choice { packing, size: aim, rate: wish.rate }, false);
        }
        for SizeOffer { sides, rates } in &offer.sizes {
            let (size, rate) = (sides.nearest(aim), best_rate(rates, aim_rate));
            if size.width > 0 && size.height > 0 {
                consider(Choice { packing, size, rate: rate.or(wish.rate) }, rate.is_some());
            }
        }
    }
    match (best, wish.packing) {
        (Some((_, choice)), _) => Some(choice),
        (None, Some(packing)) => Some(Choice { packing, size: aim, rate: wish.rate }),
        (None, None) => None,
    }
}
