//! Generators at hand: those compiled in, those of a folder, and any `.onnx` file.
//!
//! This is the one door through which models come in from outside: a file is read once, and the bytes that were held against
//! the limits and the trusted keys are the bytes that are opened.

mod examine;

use crate::card::{Card, Precision};
use crate::error::{Error, Result};
use crate::onnx::{self, Limits};
use crate::session::{Overrides, TractGenerator, digest};
use crate::trust::Trust;
use crate::upscale::Generator;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use examine::{Examination, Facts};

/// The generator that is used where none is named.
pub const DEFAULT: &str = "medium-x4";

/// One compiled-in generator.
struct BuiltIn {
    name: &'static str,
    model: &'static [u8],
    card: &'static str,
}

/// Compiles `models/NAME/model.onnx` and `models/NAME/card.toml` in.
macro_rules! built_in {
    ($($name:literal),*) => {
        &[$(BuiltIn {
            name: $name,
            model: include_bytes!(concat!("../models/", $name, "/model.onnx")),
            card: include_str!(concat!("../models/", $name, "/card.toml")),
        }),*]
    };
}

/// The compiled-in generators, small to large.
const BUILT_IN: &[BuiltIn] = built_in![
    "small-x2",
    "small-x2-int8",
    "small-x4",
    "small-x4-int8",
    "medium-x2",
    "medium-x2-int8",
    "camera-x2",
    "medium-x4",
    "medium-x4-int8",
    "large-x4",
    "large-x4-int8",
    "sharp-x4",
    "sharp-x4-int8",
    "sharp-rgb-x4",
    "sharp-rgb-x4-int8"
];

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

/// Where a generator of some name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name by which it was asked for, or is listed.
    pub name: String,
    /// Where it stands.
    pub origin: Origin,
}

/// The generators that can be named: those of a folder before those compiled in.
#[derive(Debug, Clone, Default)]
pub struct Zoo {
    folder: Option<PathBuf>,
    trust: Trust,
}

impl Zoo {
    /// A zoo with the compiled-in generators and those of `folder`, which holds `NAME/model.onnx` (with `NAME/card.toml`)
    /// or `NAME.onnx`.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, trust: Trust::default() }
    }

    /// The same zoo, in which files are opened and listed only where `trust` lets them pass. What is compiled in is part of
    /// the program, and needs no signature.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Every generator at hand, by factor and work; one of the folder hides one of the same name that is compiled in, and
    /// what cannot be read in the folder, or is not trusted, is left out with a warning.
    ///
    /// # Errors
    /// An I/O error where the folder cannot be listed.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = self.in_folder()?;
        for built_in in BUILT_IN {
            let card = Card::from_toml(built_in.card)?;
            if entries.iter().all(|e| e.card.name != built_in.name) {
                entries.push(Entry { card, origin: Origin::BuiltIn });
            }
        }
        let order = |a: &Entry, b: &Entry| {
            let work = a.card.mac_per_pixel.total_cmp(&b.card.mac_per_pixel);
            a.card.scale.cmp(&b.card.scale).then(work).then_with(|| a.card.name.cmp(&b.card.name))
        };
        entries.sort_by(order);
        Ok(entries)
    }

    /// Opens the generator of that name, the `.onnx` file of that path, or `model.onnx` of that folder. A `card.toml` beside
    /// a `model.onnx` counts where the file itself brings no card, and must be of that very file; where keys are demanded, it
    /// must be signed as well.
    ///
    /// # Errors
    /// A usage error where there is no such generator; those of [`Trust::check`] and [`TractGenerator::open`].
    pub fn open(&self, name_or_file: &str, overrides: &Overrides) -> Result<TractGenerator> {
        match self.find(name_or_file)?.origin {
            Origin::File(path) => self.open_file(&path, overrides),
            Origin::BuiltIn => {
                let built_in = built_in(name_or_file)?;
                TractGenerator::from_bytes(built_in.name, built_in.model, overrides, Limits::default())
            }
        }
    }

    /// Where [`Zoo::open`] finds the generator of that name.
    ///
    /// # Errors
    /// A usage error where there is none. An `.onnx` file is not looked for.
    pub fn find(&self, name_or_file: &str) -> Result<Place> {
        let path = Path::new(name_or_file);
        let origin = if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) {
            Origin::File(path.to_path_buf())
        } else if let Some(file) = self.file_of(name_or_file) {
            Origin::File(file)
        } else if BUILT_IN.iter().any(|b| b.name == name_or_file) {
            Origin::BuiltIn
        } else if path.join("model.onnx").is_file() {
            // Last: a folder that happens to lie here must not take the place of a model of that name.
            Origin::File(path.join("model.onnx"))
        } else {
            let names: Vec<String> = self.list()?.into_iter().map(|e| e.card.name).collect();
            let known = if names.is_empty() {
                "there is none at hand".into()
            } else {
                format!("there are {}", names.join(", "))
            };
            return Err(Error::usage(format!("there is no model '{name_or_file}'"))
                .fix(format!("{known}; or give a FILE.onnx")));
        };
        Ok(Place { name: name_or_file.into(), origin })
    }

    /// Everything that is compiled in and every model's file of the folder, whether it can be opened, and by its name, or not.
    ///
    /// # Errors
    /// An I/O error where the folder cannot be listed.
    pub fn places(&self) -> Result<Vec<Place>> {
        let built_in = BUILT_IN.iter().map(|b| Place { name: b.name.into(), origin: Origin::BuiltIn });
        Ok(built_in.chain(self.files()?).collect())
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

    /// The folder's files, by name.
    fn files(&self) -> Result<Vec<Place>> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let mut files = Vec::new();
        for item in std::fs::read_dir(folder).map_err(|e| Error::io("cannot list", folder, e))? {
            let path = item.map_err(|e| Error::io("cannot list", folder, e))?.path();
            let whole = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_model = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("onnx"));
            let file = if is_model && path.is_file() { path } else { path.join("model.onnx") };
            if file.is_file() {
                let name = whole.strip_suffix(".onnx").filter(|name| self.file_of(name).as_ref() == Some(&file));
                let name = name.map_or_else(|| whole.clone(), str::to_owned);
                files.push(Place { name, origin: Origin::File(file) });
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    fn in_folder(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for Place { name, origin } in self.files()? {
            let Origin::File(file) = &origin else { continue };
            if self.file_of(&name).as_ref() != Some(file) {
                continue;
            }
            match self.card_of(file) {
                Ok(card) => entries.push(Entry { card: Card { name, ..card }, origin }),
                Err(error) => log::warn!("left out: {}", error.at(file.display())),
            }
        }
        Ok(entries)
    }

    /// The card of a file, as a list shows it. The one beside it is believed, unless signatures are demanded: then the file is
    /// opened as it would be to be used.
    fn card_of(&self, model: &Path) -> Result<Card> {
        if !self.trust.demands()
            && let Some((card, _)) = card_beside(model)?
        {
            return Ok(card);
        }
        Ok(self.open_file(model, &Overrides::default())?.card().clone())
    }

    /// Opens a file with the card beside it, which must be of this very file.
    fn open_file(&self, path: &Path, overrides: &Overrides) -> Result<TractGenerator> {
        let limits = Limits::default();
        let bytes = onnx::load(path, &limits)?;
        self.trust.check(path, &bytes)?;
        let beside = card_beside(path)?;
        if let Some((card, _)) = &beside
            && !card.digest.is_empty()
            && card.digest != digest(&bytes)
        {
            return Err(Error::model(format!("{} has a card.toml of another model beside it", path.display()))
                .fix("export the model again, so that file and card agree"));
        }
        let overrides = Overrides { card: beside.as_ref().map(|(card, _)| card.clone()), ..overrides.clone() };
        let name = path.file_stem().map_or_else(|| "model".into(), |s| s.to_string_lossy());
        let generator =
            TractGenerator::from_bytes(&name, &bytes, &overrides, limits).map_err(|e| e.at(path.display()))?;
        if let Some((card, text)) = &beside
            && !generator.brings_card()
        {
            self.check_card(path, card, text)?;
        }
        Ok(generator)
    }
}

impl Zoo {
    /// Whether the card beside `model`, which brings none, counts: where keys are demanded, it names the model and is signed.
    fn check_card(&self, model: &Path, card: &Card, text: &str) -> Result<()> {
        // It could have been signed for another model.
        if self.trust.demands() && card.digest.is_empty() {
            return Err(Error::model(format!("the card.toml beside {} does not say whose it is", model.display()))
                .fix("export the model again: its card then names its digest"));
        }
        self.trust.check(&model.with_file_name("card.toml"), text.as_bytes())
    }
}

/// The longest `card.toml` that is read, in bytes.
const MOST_CARD: u64 = 1 << 20;

/// The `card.toml` beside a `model.onnx` with its text, if there is one.
fn card_beside(model: &Path) -> Result<Option<(Card, String)>> {
    let beside = model.with_file_name("card.toml");
    if model.file_name().is_none_or(|n| n != "model.onnx") || !beside.is_file() {
        return Ok(None);
    }
    let cannot = |e| Error::io("cannot read", &beside, e);
    let mut text = String::new();
    let file = std::fs::File::open(&beside).map_err(cannot)?;
    file.take(MOST_CARD + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > MOST_CARD {
        return Err(Error::limit(format!("{} is larger than {} KiB", beside.display(), MOST_CARD >> 10)));
    }
    Card::from_toml(&text).map(|card| Some((card, text))).map_err(|e| e.at(beside.display()))
}

fn built_in(name: &str) -> Result<&'static BuiltIn> {
    let found = BUILT_IN.iter().find(|b| b.name == name);
    found.ok_or_else(|| Error::internal(format!("'{name}' is not compiled in")))
}

#[cfg(test)]
mod tests;
