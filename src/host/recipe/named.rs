//! Recipes by name, from files, and with values overridden.

use super::Recipe;
use crate::error::{Error, Result};
use std::path::Path;

/// Compiles `recipes/NAME.toml` in.
macro_rules! recipes {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../recipes/", $name, ".toml")))),*]
    };
}

const NAMED: &[(&str, &str)] = recipes![
    "edge-gan",
    "edge-gan-rgb",
    "edge-camera",
    "edge-distil",
    "edge-wgan",
    "srresnet-mse",
    "srresnet-vgg22",
    "srgan-mse",
    "srgan-vgg22",
    "srgan-vgg54",
    "esrgan-psnr",
    "esrgan",
    "srcnn",
    "espcn",
    "vdsr",
    "drcn",
    "edsr",
    "mdsr",
    "rcan",
    "enhancenet-e",
    "enhancenet-pat",
];

/// The named recipes: name and title.
///
/// # Errors
/// An internal error where one of them is damaged, which a test forbids.
pub fn list() -> Result<Vec<(&'static str, String)>> {
    NAMED.iter().map(|(name, text)| Ok((*name, parse(text)?.title))).collect()
}

/// The text of a named recipe.
pub fn text(name: &str) -> Option<&'static str> {
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

fn parse(text: &str) -> Result<Recipe> {
    toml::from_str(text).map_err(|e| Error::usage("the recipe cannot be read").caused_by(e))
}

/// The recipe of that name, or in that file of TOML, with `overrides` such as `optimiser.rate=2e-4`.
///
/// # Errors
/// A usage error where there is none, an override names nothing, or a value is out of range.
pub fn load(name_or_file: &str, overrides: &[String]) -> Result<Recipe> {
    let text = match text(name_or_file) {
        Some(text) => text.to_string(),
        None if Path::new(name_or_file).is_file() => {
            let path = Path::new(name_or_file);
            std::fs::read_to_string(path).map_err(|e| Error::io("cannot read the recipe", path, e))?
        }
        None => {
            let known: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
            return Err(Error::usage(format!("there is no recipe '{name_or_file}'"))
                .fix(format!("choose one of {}, or give a file of TOML", known.join(", "))));
        }
    };
    let mut value: toml::Value =
        toml::from_str(&text).map_err(|e| Error::usage("the recipe is no TOML").caused_by(e).at(name_or_file))?;
    for change in overrides {
        set(&mut value, change)?;
    }
    let recipe: Recipe =
        value.try_into().map_err(|e| Error::usage("the recipe cannot be read").caused_by(e).at(name_or_file))?;
    recipe.validate().map_err(|error| error.at(name_or_file))?;
    Ok(recipe)
}

/// Sets one value: `KEY.KEY=VALUE`, the value as TOML writes it; bare words are taken as text, and a number names an item
/// of a list.
///
/// # Errors
/// A usage error where it is not written so, or leads through something that is no table.
pub fn set(recipe: &mut toml::Value, change: &str) -> Result<()> {
    let bad = |what: &str| Error::usage(format!("'{change}' {what}")).fix("write it like optimiser.rate=2e-4");
    let (path, text) = change.split_once('=').ok_or_else(|| bad("sets nothing"))?;
    let value = format!("value = {text}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    let value = value.unwrap_or_else(|| toml::Value::String(text.into()));
    let mut place = recipe;
    for key in path.trim().split('.') {
        if key.is_empty() {
            return Err(bad("names nothing"));
        }
        place = match (place, key.parse::<usize>()) {
            (toml::Value::Array(items), Ok(n)) => items.get_mut(n).ok_or_else(|| bad("names no item of the list"))?,
            (toml::Value::Table(table), _) => {
                table.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()))
            }
            _ => return Err(bad("leads through a value that has no parts")),
        };
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_named_recipe_can_be_followed() {
        for (name, title) in list().unwrap() {
            assert!(!title.is_empty());
            load(name, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn every_value_can_be_overridden() {
        let change = |text: &str| load("edge-gan", &[text.to_string()]);
        assert_eq!(change("batch=3").unwrap().batch, 3);
        assert!(
            (change("adversary.optimiser.rate=0.25").unwrap().adversary.unwrap().optimiser.rate - 0.25).abs() < 1e-9
        );
        assert_eq!(change("degradation=gaussian").unwrap().degradation, "gaussian");
        assert_eq!(change("generator.blocks = 2").unwrap().generator.blocks, Some(2));
        for (bad, why) in [
            ("batch", "sets nothing"),
            ("batch=x", "cannot be read"),
            ("batch=0", "out of range"),
            ("batch.size=3", "no parts"),
            ("colour=red", "cannot be read"),
            ("generator.name=nonsense", "no network 'nonsense'"),
            ("loss.pixel.weight=-1", "0..1e6"),
        ] {
            let error = change(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
        let critic = |name: &str| load("edge-wgan", &[format!("adversary.name={name}")]);
        assert!(critic("vgg128").unwrap_err().to_string().contains("normalises over the batch"));
        assert!(critic("enhancenet").is_ok());
        assert!(load("nonsense", &[]).unwrap_err().to_string().contains("edge-gan"));
    }
}
