//! The card of a generator: brought by the model, worked out from its graph, or corrected by the user.

use super::Overrides;
use crate::card::{Card, METADATA_KEY, Tiling};
use crate::error::{Error, Result};
use crate::onnx::Analysis;
use crate::onnx::proto::ModelProto;
use std::collections::BTreeMap;

/// The card in the model's metadata, if it brings one.
///
/// # Errors
/// A model error where it is damaged.
pub fn embedded_card(model: &ModelProto) -> Result<Option<Card>> {
    let entry = model.metadata_props.iter().find(|p| p.key == METADATA_KEY);
    entry.map(|p| Card::from_json(&p.value)).transpose()
}

/// A card that says what the graph says.
pub(super) fn worked_out(name: &str, analysis: &Analysis) -> Card {
    Card {
        name: name.into(),
        scale: analysis.scale.unwrap_or(1),
        colour: analysis.colour,
        range: [0.0, 1.0],
        tiling: analysis.tiling.clone(),
        precision: analysis.precision,
        parameters: analysis.parameters,
        mac_per_pixel: analysis.mac_per_pixel,
        fixed_size: analysis.fixed_size.map(|s| [s.width, s.height]),
        min_side: analysis.min_side,
        multiple: analysis.multiple,
        digest: String::new(),
        training: BTreeMap::new(),
        scores: BTreeMap::new(),
    }
}

/// Holds a card from the metadata against the graph: a card that promises more than the graph keeps is refused. The card
/// comes back with what only the graph knows.
///
/// # Errors
/// A model error where they contradict each other.
pub fn checked_against(mut card: Card, analysis: &Analysis) -> Result<Card> {
    let complain = |what: String| {
        Err(Error::model(format!("the model's card does not fit its graph: {what}"))
            .fix("export the model again, or remove the card"))
    };
    if analysis.scale.is_some_and(|scale| scale != card.scale) {
        return complain(format!("it says ×{}, the graph is ×{}", card.scale, analysis.scale.unwrap_or(0)));
    }
    if card.colour != analysis.colour {
        return complain("it takes another number of planes".into());
    }
    if card.precision != analysis.precision {
        return complain(format!("it says {:?}, the graph is {:?}", card.precision, analysis.precision));
    }
    match (&card.tiling, &analysis.tiling) {
        (Tiling::Halo(said), Tiling::Halo(found)) if said < found => {
            return complain(format!("it says a halo of {said} pixels, the graph looks {found} pixels far"));
        }
        (Tiling::Halo(_), Tiling::Whole(reason)) => return complain(format!("it allows tiles, but {reason}")),
        _ => {}
    }
    card.fixed_size = analysis.fixed_size.map(|s| [s.width, s.height]);
    card.min_side = card.min_side.max(analysis.min_side);
    card.multiple = analysis.multiple;
    Ok(card)
}

/// Puts what the user said into the card, as far as the graph does not contradict it.
pub(super) fn apply(overrides: &Overrides, analysis: &Analysis, card: &mut Card) -> Result<()> {
    if let Some(scale) = overrides.scale.filter(|&s| s != card.scale) {
        return Err(Error::usage(format!("the model enlarges ×{}, not ×{scale}", card.scale))
            .fix("ask for another factor with --scale; the model's own follows from its graph"));
    }
    if overrides.colour.is_some_and(|c| c != card.colour) {
        return Err(Error::usage(format!("the model takes {} plane(s)", card.colour.planes())));
    }
    if let Some(halo) = overrides.halo {
        match &analysis.tiling {
            Tiling::Halo(found) if halo < *found => {
                return Err(Error::usage(format!("a halo of {halo} is too small: the graph looks {found} pixels far")));
            }
            Tiling::Whole(reason) if analysis.unknown.is_none() => {
                return Err(Error::usage(format!("no halo makes tiles of this model right: {reason}")));
            }
            _ => card.tiling = Tiling::Halo(halo),
        }
    }
    if let Some(range) = overrides.range {
        card.range = range;
    }
    card.validate()
}
