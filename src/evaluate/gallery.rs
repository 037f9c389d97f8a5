//! The places where methods differ most, kept to be shown side by side.

use super::picture::{Picture, score};
use crate::geometry::{Rect, Size};
use crate::metric::Scores;

/// One place in one picture, as the original has it and as each method made it.
#[derive(Debug, Clone)]
pub struct Crop {
    /// The set's name.
    pub set: String,
    /// The picture's name.
    pub picture: String,
    /// Where it lies in the original.
    pub place: Rect,
    /// The original there.
    pub original: Picture,
    /// What each method made of it, and what that scores against the original there.
    pub results: Vec<(Picture, Option<Scores>)>,
    /// Mean squared spread between the methods, in 8-bit levels.
    spread: f64,
}

/// The best few crops of all the pictures it has been offered, and no more of each picture than is fair.
#[derive(Debug)]
pub struct Gallery {
    places: usize,
    side: usize,
    crops: Vec<Crop>,
}

/// At most this many crops of one picture.
const OF_ONE_PICTURE: usize = 2;

impl Gallery {
    /// A gallery of at most `places` crops of `side` × `side` pixels (smaller where a picture is).
    pub fn new(places: usize, side: usize) -> Self {
        Self { places, side, crops: Vec::new() }
    }

    /// A gallery that keeps nothing.
    pub fn closed() -> Self {
        Self::new(0, 0)
    }

    /// The crops, those where methods differ most first.
    pub fn crops(&self) -> &[Crop] {
        &self.crops
    }

    /// Looks for places worth showing in what the methods made of one picture.
    pub(super) fn offer(&mut self, set: &str, picture: &str, original: &Picture, results: Vec<Picture>) {
        if self.places == 0 || self.side == 0 {
            return;
        }
        for (place, spread) in self.liveliest(original, &results) {
            let of = |whole: &Picture| {
                let part = whole.crop(place);
                let scores = score(&part, &original.crop(place), 0).ok();
                (part, scores)
            };
            self.crops.push(Crop {
                set: set.to_string(),
                picture: picture.to_string(),
                place,
                original: original.crop(place),
                results: results.iter().map(of).collect(),
                spread,
            });
        }
        self.crops.sort_by(|a, b| b.spread.total_cmp(&a.spread));
        self.crops.truncate(self.places);
    }

    /// The non-overlapping windows of the largest spread, with their spreads. A single method is held against the original.
    fn liveliest(&self, original: &Picture, results: &[Picture]) -> Vec<(Rect, f64)> {
        let size = original.size;
        let window = Size::new(self.side.min(size.width), self.side.min(size.height));
        let sums = match results {
            [only] => Sums::of_spread(&[only, original]),
            several => Sums::of_spread(&several.iter().collect::<Vec<_>>()),
        };
        let step = (self.side / 8).max(1);
        let mut all: Vec<(Rect, f64)> = Vec::new();
        for y in (0..=size.height - window.height).step_by(step) {
            for x in (0..=size.width - window.width).step_by(step) {
                let place = Rect::new(x, y, window);
                all.push((place, sums.inside(place) / window.area() as f64));
            }
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut chosen: Vec<(Rect, f64)> = Vec::new();
        for (place, spread) in all {
            if chosen.len() < OF_ONE_PICTURE && !chosen.iter().any(|(other, _)| overlap(place, *other)) {
                chosen.push((place, spread));
            }
        }
        chosen
    }
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

/// Sums of the squared spread over every rectangle from the top left corner.
struct Sums {
    stride: usize,
    sums: Vec<f64>,
}

impl Sums {
    /// The squared difference between the highest and the lowest sample among `pictures`, summed over the channels.
    fn of_spread(pictures: &[&Picture]) -> Self {
        let size = pictures.first().map_or(Size::new(0, 0), |picture| picture.size);
        let stride = size.width + 1;
        let mut sums = vec![0.0; stride * (size.height + 1)];
        for y in 0..size.height {
            let mut row = 0.0;
            for x in 0..size.width {
                for sample in (y * size.width + x) * 3..(y * size.width + x) * 3 + 3 {
                    let values = pictures.iter().map(|picture| picture.rgb[sample]);
                    let (low, high) = values.fold((255, 0), |(low, high), v| (v.min(low), v.max(high)));
                    row += f64::from(high.saturating_sub(low)).powi(2);
                }
                sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
            }
        }
        Self { stride, sums }
    }

    fn inside(&self, rect: Rect) -> f64 {
        let at = |x: usize, y: usize| self.sums[y * self.stride + x];
        at(rect.right(), rect.bottom()) - at(rect.x, rect.bottom()) - at(rect.right(), rect.y) + at(rect.x, rect.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey picture with a bright block at `place`.
    fn with_block(place: Option<Rect>) -> Picture {
        let size = Size::new(64, 48);
        let inside =
            |x: usize, y: usize| place.is_some_and(|p| (p.x..p.right()).contains(&x) && (p.y..p.bottom()).contains(&y));
        let rgb = (0..size.area()).flat_map(|i| [if inside(i % 64, i / 64) { 220 } else { 90 }; 3]).collect();
        Picture { size, rgb }
    }

    #[test]
    fn the_place_where_methods_differ_is_shown_first() {
        let block = Rect::new(40, 24, Size::new(8, 8));
        let mut gallery = Gallery::new(3, 16);
        let original = with_block(Some(block));
        gallery.offer("set", "same", &original, vec![original.clone(), original.clone()]);
        gallery.offer("set", "other", &original, vec![original.clone(), with_block(None)]);
        let first = &gallery.crops()[0];
        assert_eq!(first.picture, "other");
        assert!(first.place.x <= 40 && first.place.right() >= 48 && first.place.y <= 24 && first.place.bottom() >= 32);
        assert_eq!((gallery.crops().len(), first.results.len()), (3, 2));
        assert!(gallery.crops().iter().all(|crop| crop.place.size == Size::new(16, 16)));
    }

    #[test]
    fn pictures_smaller_than_a_crop_are_shown_whole() {
        let mut gallery = Gallery::new(3, 200);
        gallery.offer("set", "small", &with_block(None), vec![with_block(None)]);
        assert_eq!(gallery.crops()[0].place, Rect::new(0, 0, Size::new(64, 48)));
    }
}
