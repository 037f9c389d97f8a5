//! What a page may ask for: another model, another strength, a snapshot on the device.

use crate::device::desk::{Desk, Report, Wish};
use serde::Deserialize;

/// A request's body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    model: Option<String>,
    strength: Option<f32>,
    snapshot: Option<bool>,
}

/// Why nothing was laid down.
#[derive(Debug, PartialEq)]
pub(super) enum Denied {
    /// The request cannot be followed, and why.
    Wrong(String),
    /// Too much was asked for at once.
    Busy,
}

/// Lays down what `body` (JSON) asks for: all of it, or nothing where a part of it cannot be.
pub(super) fn lay(desk: &Desk, body: &[u8]) -> Result<(), Denied> {
    let asked: Asked = serde_json::from_slice(body).map_err(|error| Denied::Wrong(error.to_string()))?;
    let wishes = desk.read(|report| wishes(asked, report)).map_err(Denied::Wrong)?;
    if wishes.into_iter().all(|wish| desk.wish(wish)) { Ok(()) } else { Err(Denied::Busy) }
}

fn wishes(asked: Asked, report: &Report) -> Result<Vec<Wish>, String> {
    let mut wishes = Vec::new();
    if let Some(model) = asked.model {
        if !report.models.contains(&model) {
            return Err(format!("there is no model of this name; there are {}", report.models.join(", ")));
        }
        wishes.push(Wish::Model(model));
    }
    if let Some(strength) = asked.strength {
        if report.strength.is_none() {
            return Err("the model has no strength to choose".to_owned());
        }
        if !(0.0..=1.0).contains(&strength) {
            return Err("strength is a number from 0 to 1".to_owned());
        }
        wishes.push(Wish::Strength(strength));
    }
    if asked.snapshot == Some(true) {
        if !report.snapshots {
            return Err("there is no folder for snapshots (--snapshots DIR)".to_owned());
        }
        wishes.push(Wish::Snapshot);
    }
    if wishes.is_empty() {
        return Err("nothing is asked for: give model, strength or snapshot".to_owned());
    }
    Ok(wishes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk() -> Desk {
        let desk = Desk::default();
        desk.write(|report| {
            report.models = vec!["small".to_owned(), "large".to_owned()];
            report.strength = Some(0.5);
            report.snapshots = true;
        });
        desk
    }

    #[test]
    fn what_can_be_had_is_laid_on_the_desk() {
        let desk = desk();
        assert_eq!(lay(&desk, br#"{"model":"large","strength":0.25}"#), Ok(()));
        assert_eq!(lay(&desk, br#"{"snapshot":true}"#), Ok(()));
        let taken = [desk.take(|_| true), desk.take(|_| true), desk.take(|_| true), desk.take(|_| true)];
        let wished = [Some(Wish::Model("large".to_owned())), Some(Wish::Strength(0.25)), Some(Wish::Snapshot), None];
        assert_eq!(taken, wished);
    }

    #[test]
    fn what_cannot_be_had_is_refused_whole() {
        let desk = desk();
        for body in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"model":"huge"}"#,
            r#"{"model":1}"#,
            r#"{"strength":1.5}"#,
            r#"{"strength":-0.1}"#,
            r#"{"strength":1e99}"#,
            r#"{"strength":"1"}"#,
            r#"{"snapshot":false}"#,
            r#"{"model":"small","strength":2}"#,
            r#"{"model":"small","shell":"rm"}"#,
            r#"{"model":"small"} x"#,
            "\u{0}",
        ] {
            assert!(matches!(lay(&desk, body.as_bytes()), Err(Denied::Wrong(_))), "{body}");
        }
        desk.write(|report| (report.strength, report.snapshots) = (None, false));
        for body in [r#"{"strength":0.5}"#, r#"{"snapshot":true}"#] {
            assert!(matches!(lay(&desk, body.as_bytes()), Err(Denied::Wrong(_))), "{body}");
        }
        assert_eq!(desk.take(|_| true), None);
    }

    #[test]
    fn who_asks_faster_than_it_can_be_done_is_told_so() {
        let desk = desk();
        let results: Vec<_> = (0..40).map(|_| lay(&desk, br#"{"snapshot":true}"#)).collect();
        assert_eq!(results[0], Ok(()));
        assert_eq!(results[39], Err(Denied::Busy));
        assert_eq!(lay(&desk, br#"{"model":"small"}"#), Ok(()), "snapshots wait for a frame; the rest need not");
    }
}
