//! The values of a profile, each checked where it is read, so that complaints know its line.

use super::Row;
use crate::device::sink::screen::ScreenDevice;
use crate::device::source::camera::CameraOptions;
use crate::device::source::pattern::PatternOptions;
use crate::device::source::uri::SourceUri;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::zoo::Zoo;
use serde::de::{Deserialize, Deserializer, Error as _};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Reads a value and lets `check` look at it.
fn checked<'de, D, T>(deserializer: D, check: impl FnOnce(&T) -> Result<()>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let value = T::deserialize(deserializer)?;
    check(&value).map_err(D::Error::custom)?;
    Ok(value)
}

/// The factors of the compiled-in generators by their names.
fn zoo() -> &'static BTreeMap<String, usize> {
    static ZOO: OnceLock<BTreeMap<String, usize>> = OnceLock::new();
    ZOO.get_or_init(|| {
        let entries = Zoo::default().list().unwrap_or_default();
        entries.into_iter().map(|entry| (entry.card.name, entry.card.scale)).collect()
    })
}

/// The factor of a compiled-in generator.
pub(super) fn factor(model: &str) -> Option<usize> {
    zoo().get(model).copied()
}

fn one_line(text: &str) -> Result<()> {
    let fits = !text.trim().is_empty() && text.chars().count() <= 200 && !text.contains(char::is_control);
    if fits { Ok(()) } else { Err(Error::usage("this is to be 1 to 200 characters on one line")) }
}

pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, |name: &String| {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=40).contains(&name.len()) && name.chars().all(letter) {
            return Ok(());
        }
        Err(Error::usage(format!("'{name}' is no name of small letters, digits and dashes")))
    })
}

pub(super) fn line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, |line: &String| one_line(line))
}

pub(super) fn matches<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    checked(deserializer, |names: &Vec<String>| names.iter().try_for_each(|name| one_line(name)))
}

pub(super) fn threads<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    checked(deserializer, |threads: &usize| match threads {
        1..=256 => Ok(()),
        _ => Err(Error::usage(format!("{threads} threads are not between 1 and 256"))),
    })
    .map(Some)
}

pub(super) fn hot<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    checked(deserializer, |hot: &f64| match hot {
        40.0..=110.0 => Ok(()),
        _ => Err(Error::usage(format!("{hot} degrees are not between 40 and 110"))),
    })
    .map(Some)
}

pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

pub(super) fn model<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, |model: &String| match factor(model) {
        Some(2..) => Ok(()),
        Some(_) => Err(Error::usage(format!("'{model}' does not enlarge"))),
        None => {
            let names: Vec<&str> = zoo().keys().map(String::as_str).collect();
            Err(Error::usage(format!("no model '{model}' is compiled in"))
                .fix(format!("there are {}", names.join(", "))))
        }
    })
}

/// Rows of one factor must grow: one behind a larger one would never be used.
pub(super) fn rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Row>, D::Error> {
    checked(deserializer, |rows: &Vec<Row>| {
        let mut largest: BTreeMap<Option<usize>, &Row> = BTreeMap::new();
        for row in rows {
            let before = largest.insert(factor(&row.model), row);
            if let Some(before) = before.filter(|before| before.up_to.checked_area() >= row.up_to.checked_area()) {
                return Err(Error::usage(format!(
                    "'{}' up to {} would never be used: '{}' before it is for frames up to {}",
                    row.model, row.up_to, before.model, before.up_to
                )));
            }
        }
        Ok(())
    })
}

pub(super) fn source<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    checked(deserializer, |source: &String| match source.parse()? {
        SourceUri::Camera(rest) => rest.parse::<CameraOptions>().map(drop),
        SourceUri::Pattern(rest) => rest.parse::<PatternOptions>().map(drop),
        _ => Ok(()),
    })
    .map(Some)
}

pub(super) fn screen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    checked(deserializer, |screen: &String| screen.parse::<ScreenDevice>().map(drop)).map(Some)
}

pub(super) fn rotate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    checked(deserializer, |degrees: &u32| match degrees {
        0 | 90 | 180 | 270 => Ok(()),
        _ => Err(Error::usage(format!("a picture is not turned by {degrees} degrees")).fix("choose 0, 90, 180 or 270")),
    })
    .map(Some)
}
