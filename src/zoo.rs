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

    /// Every generator at hand, by factor and work; one of the folder hides one of the same name that is compiled in, and
    /// what cannot be read in the folder is left out with a warning.
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
    /// a `model.onnx` counts where the file itself brings no card, and must be of that very file.
    ///
    /// # Errors
    /// A usage error where there is no such generator; those of [`TractGenerator::open`].
    pub fn open(&self, name_or_file: &str, overrides: &Overrides) -> Result<TractGenerator> {
        let path = Path::new(name_or_file);
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) {
            return open_with_card(path, overrides);
        }
        if let Some(path) = self.file_of(name_or_file) {
            return open_with_card(&path, overrides);
        }
        if let Some(built_in) = BUILT_IN.iter().find(|b| b.name == name_or_file) {
            return TractGenerator::from_bytes(built_in.name, built_in.model, overrides, Limits::default());
        }
        // Last: a folder that happens to lie here must not take the place of a model of that name.
        if path.join("model.onnx").is_file() {
            return open_with_card(&path.join("model.onnx"), overrides);
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
            match card_of(&file) {
                Ok(card) => {
                    entries.push(Entry { card: Card { name: name.into(), ..card }, origin: Origin::File(file) });
                }
                Err(error) => log::warn!("left out: {}", error.at(file.display())),
            }
        }
        Ok(entries)
    }
}

/// The `card.toml` beside a `model.onnx`, if there is one.
fn card_beside(model: &Path) -> Result<Option<Card>> {
    let beside = model.with_file_name("card.toml");
    if model.file_name().is_none_or(|n| n != "model.onnx") || !beside.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&beside).map_err(|e| Error::io("cannot read", &beside, e))?;
    Card::from_toml(&text).map(Some).map_err(|e| e.at(beside.display()))
}

fn card_of(model: &Path) -> Result<Card> {
    match card_beside(model)? {
        Some(card) => Ok(card),
        None => Ok(TractGenerator::open(model, &Overrides::default())?.card().clone()),
    }
}

/// Opens a model with the card beside it, which must be of this very file.
fn open_with_card(path: &Path, overrides: &Overrides) -> Result<TractGenerator> {
    let Some(card) = card_beside(path)? else { return TractGenerator::open(path, overrides) };
    let said = card.digest.clone();
    let generator = TractGenerator::open(path, &Overrides { card: Some(card), ..overrides.clone() })?;
    if !said.is_empty() && said != generator.card().digest {
        return Err(Error::model(format!("{} has a card.toml of another model beside it", path.display()))
            .fix("export the model again, so that file and card agree"));
    }
    Ok(generator)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::float_cmp)]

    use super::*;
    use crate::card::Tiling;
    use crate::session::testing::{chain, chain_int8};

    /// A folder with medium-x2, medium-x4, medium-x4-int8 and a bare file.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let models = [("medium-x2", chain(2, 8)), ("medium-x4", chain(4, 8)), ("medium-x4-int8", chain_int8(4, 8))];
        for (name, model) in models {
            let (place, bytes) = (folder.path().join(name), model.to_bytes());
            std::fs::create_dir(&place).unwrap();
            std::fs::write(place.join("model.onnx"), &bytes).unwrap();
            let opened = TractGenerator::open(&place.join("model.onnx"), &Overrides::default()).unwrap();
            let card = Card { name: name.into(), range: [0.0, 2.0], ..opened.card().clone() };
            std::fs::write(place.join("card.toml"), card.to_toml().unwrap()).unwrap();
        }
        std::fs::write(folder.path().join("bare.onnx"), chain(3, 4).to_bytes()).unwrap();
        std::fs::write(folder.path().join("broken.onnx"), b"no model").unwrap();
        folder
    }

    #[test]
    fn what_is_compiled_in_is_whole() {
        for built_in in BUILT_IN {
            let card = Card::from_toml(built_in.card).unwrap();
            let generator = Zoo::default().open(built_in.name, &Overrides::default()).unwrap();
            assert_eq!(card.name, built_in.name);
            assert_eq!(&card, generator.card(), "card.toml and the card in model.onnx differ");
        }
    }

    #[test]
    fn a_folder_is_listed_by_factor_and_what_is_broken_is_left_out() {
        let folder = folder();
        let entries = Zoo::new(Some(folder.path().into())).list().unwrap();
        let names: Vec<&str> =
            entries.iter().filter(|e| e.origin != Origin::BuiltIn).map(|e| e.card.name.as_str()).collect();
        assert_eq!(names, ["medium-x2", "bare", "medium-x4", "medium-x4-int8"]);
    }

    #[test]
    fn names_folders_and_files_are_opened() {
        let folder = folder();
        let zoo = Zoo::new(Some(folder.path().into()));
        let open = |what: &str| zoo.open(what, &Overrides::default());
        assert_eq!(open("medium-x2").unwrap().card().range, [0.0, 2.0], "the card beside the file counts");
        assert_eq!(open(folder.path().join("medium-x2").to_str().unwrap()).unwrap().card().name, "medium-x2");
        let bare = open(folder.path().join("bare.onnx").to_str().unwrap()).unwrap();
        assert_eq!((bare.card().name.as_str(), bare.card().scale), ("bare", 3));
        assert_eq!(bare.card().tiling, Tiling::Halo(3));
        let missing = open("nonsense").err().unwrap().to_string();
        assert!(missing.contains("no model 'nonsense'") && missing.contains("medium-x4"), "{missing}");
        for outside in ["../medium-x2", "..", "/", ""] {
            assert!(open(outside).is_err(), "{outside}");
        }
        assert!(open("no/such/file.onnx").err().unwrap().to_string().contains("no/such/file.onnx"));
    }

    #[test]
    fn a_card_of_another_file_is_refused() {
        let folder = folder();
        std::fs::write(folder.path().join("medium-x2/model.onnx"), chain(2, 9).to_bytes()).unwrap();
        let error = Zoo::new(Some(folder.path().into())).open("medium-x2", &Overrides::default()).err().unwrap();
        assert!(error.to_string().contains("card.toml of another model"), "{error}");
    }

    #[test]
    fn the_nearest_model_reaches_the_factor_if_one_does() {
        let folder = folder();
        let zoo = Zoo::new(Some(folder.path().into()));
        for (factor, name) in
            [(1.0, "medium-x2"), (2.0, "medium-x2"), (2.1, "medium-x4"), (4.0, "medium-x4"), (8.0, "medium-x4")]
        {
            assert_eq!(zoo.nearest(factor).unwrap(), name, "x{factor}");
        }
    }
}
