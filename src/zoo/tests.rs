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
