//! Generators at hand: those compiled in, those of a folder, and any `.onnx` file.

use crate::card::{Card, Precision};
use crate::error::{Error, Result};
use crate::onnx::Limits;
use crate::session::{Overrides, TractGenerator};
use crate::upscale::Generator;
use std::path::{Path, PathBuf};

/// The generator that is used where none is named.
pub const DEFAULT: &str = "medium-x4";

/// One compiled-in generator.
struct BuiltIn {
    name: &'static str,
    model: &'static [u8],
    card: &'static str,
}

/// The compiled-in generators, small to large.
const BUILT_IN: &[BuiltIn] = &[];

/// Where a generator comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Part of the program.
    BuiltIn,
    /// A file.
    File(PathBuf),
}

/// One generator of the zoo.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its card.
    pub card: Card,
    /// Where it stands.
    pub origin: Origin,
}

/// The generators that can be named: those of a folder before those compiled in.
#[derive(Debug, Clone, Default)]
pub struct Zoo {
    folder: Option<PathBuf>,
}

impl Zoo {
    /// A zoo with the compiled-in generators and those of `folder`, which holds `NAME/model.onnx` (with `NAME/card.toml`)
    /// or `NAME.onnx`.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Every generator at hand, by name; one of the folder hides one of the same name that is compiled in.
    ///
    /// # Errors
    /// An I/O error where the folder cannot be listed; a model error where a card or a model in it is damaged.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = self.in_folder()?;
        for built_in in BUILT_IN {
            let card = Card::from_toml(built_in.card)?;
            if entries.iter().all(|e| e.card.name != built_in.name) {
                entries.push(Entry { card, origin: Origin::BuiltIn });
            }
        }
        entries.sort_by(|a, b| {
            (a.card.scale, a.card.mac_per_pixel)
                .partial_cmp(&(b.card.scale, b.card.mac_per_pixel))
                .unwrap_or(std::cmp::Ordering::Equal)
                .then_with(|| a.card.name.cmp(&b.card.name))
        });
        Ok(entries)
    }

    /// Opens the generator of that name, or the `.onnx` file of that path.
    ///
    /// # Errors
    /// A usage error where there is no such generator; those of [`TractGenerator::open`].
    pub fn open(&self, name_or_file: &str, overrides: &Overrides) -> Result<TractGenerator> {
        let path = Path::new(name_or_file);
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) {
            return TractGenerator::open(path, overrides);
        }
        if path.is_dir() && path.join("model.onnx").is_file() {
            return open_with_card(&path.join("model.onnx"), overrides);
        }
        if let Some(path) = self.file_of(name_or_file) {
            return open_with_card(&path, overrides);
        }
        if let Some(built_in) = BUILT_IN.iter().find(|b| b.name == name_or_file) {
            return TractGenerator::from_bytes(built_in.name, built_in.model, overrides, Limits::default());
        }
        let names: Vec<String> = self.list()?.into_iter().map(|e| e.card.name).collect();
        let known =
            if names.is_empty() { "there is none at hand".into() } else { format!("there are {}", names.join(", ")) };
        Err(Error::usage(format!("there is no model '{name_or_file}'")).fix(format!("{known}; or give a FILE.onnx")))
    }

    /// The name of the generator to use for `factor`: of the default family, the smallest scale that reaches `factor`, or
    /// else the largest.
    ///
    /// # Errors
    /// A usage error where no generator is at hand.
    pub fn nearest(&self, factor: f64) -> Result<String> {
        let entries = self.list()?;
        let family = DEFAULT.split_once("-x").map_or(DEFAULT, |(family, _)| family);
        let plain = |e: &&Entry| e.card.precision == Precision::F32;
        let own: Vec<&Entry> = entries
            .iter()
            .filter(plain)
            .filter(|e| e.card.name.split_once("-x").is_some_and(|(f, _)| f == family))
            .collect();
        let candidates = if own.is_empty() { entries.iter().collect() } else { own };
        let reaching = candidates.iter().filter(|e| e.card.scale as f64 >= factor).min_by_key(|e| e.card.scale);
        let chosen = reaching.or_else(|| candidates.iter().max_by_key(|e| e.card.scale));
        chosen.map(|e| e.card.name.clone()).ok_or_else(|| {
            Error::usage("no model is at hand").fix("give --model FILE.onnx, or a folder of models with --models-dir")
        })
    }

    /// The file of the folder's generator `name`.
    fn file_of(&self, name: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        // A name is one plain component, never a way out of the folder.
        let mut parts = Path::new(name).components();
        let (Some(std::path::Component::Normal(_)), None) = (parts.next(), parts.next()) else { return None };
        [folder.join(name).join("model.onnx"), folder.join(format!("{name}.onnx"))].into_iter().find(|p| p.is_file())
    }

    fn in_folder(&self) -> Result<Vec<Entry>> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        for item in std::fs::read_dir(folder).map_err(|e| Error::io("cannot list", folder, e))? {
            let path = item.map_err(|e| Error::io("cannot list", folder, e))?.path();
            let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
            let name = name.strip_suffix(".onnx").unwrap_or(name);
            let Some(file) = self.file_of(name) else { continue };
            let card = match std::fs::read_to_string(file.with_file_name("card.toml")) {
                Ok(text) if path.is_dir() => Card::from_toml(&text).map_err(|e| e.at(path.display()))?,
                _ => TractGenerator::open(&file, &Overrides::default())?.card().clone(),
            };
            entries.push(Entry { card: Card { name: name.into(), ..card }, origin: Origin::File(file) });
        }
        Ok(entries)
    }
}

/// Opens `NAME/model.onnx`; a card beside it must be of this very file.
fn open_with_card(path: &Path, overrides: &Overrides) -> Result<TractGenerator> {
    let generator = TractGenerator::open(path, overrides)?;
    let beside = path.with_file_name("card.toml");
    if path.file_name().is_some_and(|n| n == "model.onnx") && beside.is_file() {
        let text = std::fs::read_to_string(&beside).map_err(|e| Error::io("cannot read", &beside, e))?;
        let card = Card::from_toml(&text).map_err(|e| e.at(beside.display()))?;
        if !card.digest.is_empty() && card.digest != generator.card().digest {
            return Err(Error::model(format!("{} is the card of another model.onnx", beside.display()))
                .fix("export the model again, so that file and card agree"));
        }
    }
    Ok(generator)
}
