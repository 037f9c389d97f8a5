//! The generators that live work can choose from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use upres::card::Card;
use upres::device::live::Catalogue;
use upres::error::{Error, Result};
use upres::session::{Overrides, Runner};
use upres::upscale::{Generator, Interpolation};
use upres::zoo::Zoo;

/// A smaller generator must cost clearly less.
const SMALLER: f64 = 0.6;

/// The zoo, and plain filters.
pub(super) struct Models {
    zoo: Zoo,
    /// What runs the networks, all of them.
    runner: Runner,
    factor: usize,
    /// Those of the zoo that enlarge by the factor, and the one that was named.
    cards: BTreeMap<String, Card>,
    /// Which have two ends, as far as it is known.
    blends: Mutex<BTreeMap<String, bool>>,
}

impl Models {
    /// Those that enlarge by `factor` and that `runner` runs, and `named`, whatever it does.
    pub(super) fn new(zoo: Zoo, runner: Runner, factor: usize, named: &str) -> Result<Self> {
        let fits = |card: &Card| card.scale == factor && runner.runs(card.precision);
        let cards = zoo.list()?.into_iter().map(|entry| entry.card).filter(fits);
        let mut models = Self {
            runner,
            factor,
            cards: cards.map(|card| (card.name.clone(), card)).collect(),
            zoo,
            blends: Mutex::default(),
        };
        if !models.cards.contains_key(named) && Interpolation::by_name(named, factor).is_none() {
            let card = models.zoo.open(named, &models.overrides(None))?.card().clone();
            models.cards.insert(named.to_owned(), card);
        } else if runner != Runner::default() {
            // Whether there is a GPU is known at once then, not when the first frame comes.
            models.open(named, None)?;
        }
        Ok(models)
    }

    fn overrides(&self, strength: Option<f32>) -> Overrides {
        Overrides { strength, runner: self.runner, ..Overrides::default() }
    }
}

impl Catalogue for Models {
    fn open(&self, name: &str, strength: Option<f32>) -> Result<Arc<dyn Generator>> {
        if let Some(filter) = Interpolation::by_name(name, self.factor) {
            return Ok(Arc::new(filter?));
        }
        // Names come from the page too: only those that were listed are opened.
        if !self.cards.contains_key(name) {
            return Err(Error::usage(format!("there is no model '{name}'"))
                .fix(format!("there are {}", self.names().join(", "))));
        }
        Ok(Arc::new(self.zoo.open(name, &self.overrides(strength))?))
    }

    fn names(&self) -> Vec<String> {
        let mut cards: Vec<_> = self.cards.iter().collect();
        cards.sort_by(|a, b| a.1.mac_per_pixel.total_cmp(&b.1.mac_per_pixel));
        std::iter::once("bicubic".to_owned()).chain(cards.into_iter().map(|(name, _)| name.clone())).collect()
    }

    fn smaller(&self, name: &str) -> Option<String> {
        let own = self.cards.get(name)?;
        let less = |card: &&Card| {
            card.mac_per_pixel < SMALLER * own.mac_per_pixel && card.colour == own.colour && card.scale == own.scale
        };
        // The same arithmetic, if there is one: int8 may be the slower on this machine.
        let best = |card: &&Card| (card.precision == own.precision, card.mac_per_pixel as u64);
        self.cards.values().filter(less).max_by_key(best).map(|card| card.name.clone())
    }

    fn strength(&self, name: &str) -> Option<f32> {
        let mut blends = self.blends.lock().unwrap_or_else(PoisonError::into_inner);
        let blends = blends.entry(name.to_owned()).or_insert_with(|| {
            let opened = self.cards.get(name).map(|_| self.zoo.open(name, &self.overrides(None)));
            opened.and_then(Result::ok).is_some_and(|generator| generator.can_blend())
        });
        blends.then_some(1.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn smaller_ones_are_found_and_strengths_known() {
        let models = Models::new(Zoo::default(), Runner::Engine, 4, "sharp-x4").unwrap();
        assert_eq!(models.smaller("large-x4").as_deref(), Some("medium-x4"));
        assert_eq!(models.smaller("medium-x4-int8").as_deref(), Some("small-x4-int8"));
        assert_eq!(models.smaller("small-x4"), None);
        assert_eq!((models.strength("sharp-x4"), models.strength("small-x4")), (Some(1.0), None));
        assert!(models.names().iter().all(|name| models.open(name, None).is_ok()));
        assert!(models.open("small-x2", None).is_err());
        let models = Models::new(Zoo::default(), Runner::Engine, 2, "camera-x2").unwrap();
        assert_eq!(models.smaller("camera-x2").as_deref(), Some("small-x2"));
    }
}
