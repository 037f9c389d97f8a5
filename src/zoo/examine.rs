//! Looking a generator over without running it: neither the engine nor tract sees it.

use super::{Origin, Place, Zoo, built_in, card_beside};
use crate::card::{Card, Tiling};
use crate::error::Result;
use crate::onnx::{self, Limits};
use crate::session::{checked_against, digest, embedded_card};
use crate::trust::Verdict;
use std::borrow::Cow;

/// What a graph takes and how far it looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Operators.
    pub operators: usize,
    /// Bytes of all stored tensors together.
    pub weight_bytes: u64,
    /// Multiply-adds for one low-resolution pixel, as far as the operators are known.
    pub mac_per_pixel: f64,
    /// The receptive field that the graph has.
    pub tiling: Tiling,
    /// The one that its card says, where there is a card.
    pub said: Option<Tiling>,
    /// The first operator that is not known.
    pub unknown: Option<String>,
}

/// What was found out about one generator.
#[derive(Debug, Clone, PartialEq)]
pub struct Examination {
    /// Where it stands.
    pub place: Place,
    /// SHA-256 of the file; nothing where it cannot be read.
    pub digest: Option<String>,
    /// Whether a card names this very digest; nothing where none names any.
    pub digest_agrees: Option<bool>,
    /// What its signature is worth; nothing where it is compiled in.
    pub verdict: Option<Verdict>,
    /// What the graph is, where it could be looked into.
    pub facts: Option<Facts>,
    /// All that is not as it should be.
    pub findings: Vec<String>,
}

impl Examination {
    /// An examination of `place` that came to `findings` and nothing else.
    pub fn of(place: Place, findings: Vec<String>) -> Self {
        Self { place, digest: None, digest_agrees: None, verdict: None, facts: None, findings }
    }

    /// Whether all is as it should be.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

impl Zoo {
    /// Looks the generator at `place` over: digest, signature, limits, receptive field. What is not as it should be stands
    /// among the findings. A file that is not trusted is not looked into.
    pub fn examine(&self, place: &Place) -> Examination {
        let mut found = Examination::of(place.clone(), Vec::new());
        if let Err(error) = self.look(&mut found) {
            found.findings.push(error.to_string());
        }
        found
    }

    fn look(&self, found: &mut Examination) -> Result<()> {
        let limits = Limits::default();
        let (bytes, beside) = match found.place.origin.clone() {
            Origin::BuiltIn => {
                let own = built_in(&found.place.name)?;
                (Cow::Borrowed(own.model), Some((Card::from_toml(own.card)?, own.card.to_owned())))
            }
            Origin::File(path) => {
                let bytes = onnx::load(&path, &limits)?;
                found.digest = Some(digest(&bytes));
                let verdict = self.trust.verdict(&path, &bytes)?;
                let wrong = match &verdict {
                    Verdict::Good { .. } => false,
                    Verdict::Bad(_) | Verdict::Damaged(_) => true,
                    Verdict::Foreign(_) | Verdict::Missing => self.trust.demands(),
                };
                if wrong {
                    found.findings.push(verdict.to_string());
                }
                found.verdict = Some(verdict);
                if wrong {
                    return Ok(());
                }
                (Cow::Owned(bytes), card_beside(&path)?)
            }
        };
        let own = digest(&bytes);
        let model = onnx::read(&bytes, &limits)?;
        let inside = embedded_card(&model)?;
        found.hold(&own, beside.as_ref().map(|(card, _)| card), inside.as_ref());
        found.digest = Some(own);
        let analysis = onnx::analyse(&model, &limits)?;
        // Where the model brings its own card, the one beside it does not count.
        if let (None, Some((card, text)), Origin::File(path)) = (&inside, &beside, &found.place.origin) {
            self.check_card(path, card, text)?;
        }
        let card = inside.or(beside.map(|(card, _)| card));
        found.facts = Some(Facts {
            operators: analysis.operators.values().sum(),
            weight_bytes: analysis.weight_bytes,
            mac_per_pixel: analysis.mac_per_pixel,
            tiling: analysis.tiling.clone(),
            said: card.as_ref().map(|card| card.tiling.clone()),
            unknown: analysis.unknown.clone(),
        });
        card.map_or(Ok(()), |card| checked_against(card, &analysis).map(|_| ()))
    }
}

impl Examination {
    /// Holds the digest against those of the cards, and the cards against each other.
    fn hold(&mut self, own: &str, beside: Option<&Card>, inside: Option<&Card>) {
        let named = [beside, inside].into_iter().flatten().map(|card| &card.digest).filter(|said| !said.is_empty());
        let agree: Vec<bool> = named.map(|said| said == own).collect();
        self.digest_agrees = (!agree.is_empty()).then(|| agree.iter().all(|&same| same));
        if self.digest_agrees == Some(false) {
            self.findings.push("the card is of another file: its digest is not this one's".into());
        }
        if let (Some(beside), Some(inside)) = (beside, inside) {
            let bare = |card: &Card| Card { digest: String::new(), name: String::new(), ..card.clone() };
            if bare(beside) != bare(inside) {
                self.findings.push("card.toml and the card inside the model differ".into());
            }
        }
    }
}
