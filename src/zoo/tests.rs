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

const OURS: &str = include_str!("../../tests/data/minisign-ours.pub");
const MODEL: &[u8] = include_bytes!("../../tests/data/int8.onnx");
const GOOD: &[u8] = include_bytes!("../../tests/data/minisign-good.minisig");

/// The folder of [`folder`] with a signed model beside the others, in a zoo that opens nothing but such.
fn strict() -> (tempfile::TempDir, Zoo) {
    let folder = folder();
    std::fs::write(folder.path().join("signed.onnx"), MODEL).unwrap();
    std::fs::write(folder.path().join("signed.onnx.minisig"), GOOD).unwrap();
    let trust = Trust::new(&[OURS.lines().nth(1).unwrap()]).unwrap();
    let zoo = Zoo::new(Some(folder.path().into())).trusting(trust);
    (folder, zoo)
}

#[test]
fn where_keys_are_demanded_only_signed_files_are_listed_and_opened() {
    let (folder, zoo) = strict();
    let listed = zoo.list().unwrap();
    let outside: Vec<&str> =
        listed.iter().filter(|e| e.origin != Origin::BuiltIn).map(|e| e.card.name.as_str()).collect();
    assert_eq!(outside, ["signed"]);
    let open = |what: &str| zoo.open(what, &Overrides::default()).map(|g| g.card().name.clone());
    assert_eq!(open("signed").unwrap(), "signed");
    assert_eq!(open("small-x4").unwrap(), "small-x4", "what is compiled in is part of the program");
    // A file that hides a compiled-in model is refused, not passed over.
    for name in ["medium-x4", "bare", folder.path().join("medium-x2").to_str().unwrap()] {
        assert!(open(name).unwrap_err().to_string().contains("not signed"), "{name}");
    }
}

#[test]
fn a_file_that_is_not_trusted_is_refused_before_it_is_parsed() {
    let (_folder, zoo) = strict();
    let error = zoo.open("broken", &Overrides::default()).err().unwrap().to_string();
    assert!(error.contains("not signed") && !error.contains("ONNX"), "{error}");
    let place = zoo.find("broken").unwrap();
    let found = zoo.examine(&place);
    assert!(
        found.facts.is_none() && found.findings.len() == 1 && found.findings[0].contains("not signed"),
        "{found:?}"
    );
}

#[test]
fn a_card_beside_a_signed_model_that_brings_none_must_be_signed_too() {
    let (folder, zoo) = strict();
    let place = folder.path().join("other");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("model.onnx"), MODEL).unwrap();
    std::fs::write(place.join("model.onnx.minisig"), GOOD).unwrap();
    assert!(zoo.open("other", &Overrides::default()).is_ok());
    let card = zoo.open("signed", &Overrides::default()).unwrap().card().clone();
    std::fs::write(place.join("card.toml"), Card { range: [0.0, 7.0], ..card }.to_toml().unwrap()).unwrap();
    let error = zoo.open("other", &Overrides::default()).err().unwrap().to_string();
    assert!(error.contains("card.toml is refused: not signed"), "{error}");
    let found = zoo.examine(&zoo.find("other").unwrap());
    assert!(found.findings.iter().any(|finding| finding.contains("card.toml is refused")), "{found:?}");
    // A signature would not help a card that could be any model's.
    let nobodys = Card { digest: String::new(), ..zoo.open("signed", &Overrides::default()).unwrap().card().clone() };
    std::fs::write(place.join("card.toml"), nobodys.to_toml().unwrap()).unwrap();
    let error = zoo.open("other", &Overrides::default()).err().unwrap().to_string();
    assert!(error.contains("does not say whose it is"), "{error}");
}

#[test]
fn what_is_compiled_in_stands_every_examination() {
    for place in Zoo::default().places().unwrap() {
        let found = Zoo::default().examine(&place);
        assert!(found.is_good() && found.digest_agrees == Some(true), "{found:?}");
        let facts = found.facts.unwrap();
        assert_eq!(Some(&facts.tiling), facts.said.as_ref());
        assert!(facts.weight_bytes > 4000 && facts.operators > 5, "{facts:?}");
    }
}

#[test]
fn an_examination_finds_what_is_wrong() {
    let folder = folder();
    let zoo = Zoo::new(Some(folder.path().into()));
    let finding = |name: &str| zoo.examine(&zoo.find(name).unwrap()).findings.join("; ");
    assert_eq!((finding("medium-x2").as_str(), finding("bare").as_str()), ("", ""));
    assert!(finding("broken").contains("damaged or is not an ONNX model"));
    std::fs::write(folder.path().join("bare.onnx.minisig"), "nonsense").unwrap();
    assert!(finding("bare").contains("not one of minisign's"));
    let place = folder.path().join("medium-x2");
    let card = Card::from_toml(&std::fs::read_to_string(place.join("card.toml")).unwrap()).unwrap();
    let write = |card: Card| std::fs::write(place.join("card.toml"), card.to_toml().unwrap()).unwrap();
    write(Card { tiling: Tiling::Halo(2), ..card.clone() });
    assert!(finding("medium-x2").contains("halo of 2 pixels, the graph looks 3"), "{}", finding("medium-x2"));
    write(Card { digest: "0".repeat(64), ..card.clone() });
    assert!(finding("medium-x2").contains("digest"));
    write(Card { digest: String::new(), ..card });
    assert_eq!(zoo.examine(&zoo.find("medium-x2").unwrap()).digest_agrees, None);
}
