//! Models that must be signed, from outside: `upres verify`, and every command that opens a model.

#![cfg(feature = "device")]
#![allow(clippy::unwrap_used)]

mod program;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

const MODEL: &[u8] = include_bytes!("data/int8.onnx");
const GOOD: &[u8] = include_bytes!("data/minisign-good.minisig");

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).to_str().unwrap().to_owned()
}

fn upres(arguments: &[&str]) -> Output {
    program::upres().env_remove("UPRES_TRUSTED_KEY").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with one model in five conditions.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let mut changed = MODEL.to_vec();
        // In the weights, so that it is a model still.
        changed[MODEL.len() / 2] ^= 1;
        let huge = [GOOD, &[b'\n'; 5000]].concat();
        let of_another = fs::read(data("minisign-theirs.minisig")).unwrap();
        let bent = text(GOOD).replace("comment that is", "comment that was");
        for (name, model, signature) in [
            ("good", MODEL, Some(GOOD)),
            ("bare", MODEL, None),
            ("changed", &changed, Some(GOOD)),
            ("other", MODEL, Some(&of_another[..])),
            ("huge", MODEL, Some(&huge)),
            ("bent", MODEL, Some(bent.as_bytes())),
        ] {
            fs::write(folder.path(&format!("{name}.onnx")), model).unwrap();
            if let Some(signature) = signature {
                fs::write(folder.path(&format!("{name}.onnx.minisig")), signature).unwrap();
            }
        }
        fs::create_dir(folder.path("deep")).unwrap();
        fs::write(folder.path("deep/model.onnx"), MODEL).unwrap();
        fs::write(folder.path("deep/model.onnx.minisig"), GOOD).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

const WRONG: [(&str, &str); 5] = [
    ("bare", "not signed"),
    ("changed", "is not of these bytes"),
    ("other", "not among the trusted ones"),
    ("huge", "longer than 4096 bytes"),
    ("bent", "is not of these bytes"),
];

#[test]
fn every_model_is_judged_on_a_line_of_its_own() {
    let folder = Folder::new();
    let (place, key) = (folder.name(""), data("minisign-ours.pub"));
    let shown = upres(&["verify", "--trusted-key", &key, &place]);
    assert_eq!(shown.status.code(), Some(1), "{shown:?}");
    let lines = text(&shown.stdout);
    assert_eq!(lines.lines().count(), 7, "{lines}");
    let line = |name: &str| lines.lines().find(|line| line.contains(name)).unwrap().to_owned();
    for (name, part) in WRONG {
        let line = line(&format!("{name}.onnx"));
        assert!(line.starts_with("BAD ") && line.contains(part), "{line}");
    }
    for good in ["good.onnx", "deep/model.onnx"] {
        let line = line(good);
        assert!(line.starts_with("good ") && line.contains("866920A3A4FDDC19 (a comment that is signed)"), "{line}");
        assert!(line.contains("operators") && line.contains("sha256 "), "{line}");
    }
    let good = upres(&["verify", "--trusted-key", &key, &folder.name("good.onnx"), &folder.name("deep"), "small-x2"]);
    assert!(good.status.success(), "{good:?}");
    assert!(text(&good.stdout).lines().nth(2).unwrap().contains("part of the program"), "{good:?}");
}

#[test]
fn without_keys_signatures_are_told_but_only_damage_is_bad() {
    let folder = Folder::new();
    let shown = upres(&["verify", "--json", &folder.name("good.onnx"), &folder.name("bare.onnx")]);
    assert!(shown.status.success(), "{shown:?}");
    let answer: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let states: Vec<&str> =
        answer["models"].as_array().unwrap().iter().map(|m| m["signature"]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["of another key", "none"]);
    assert!(answer["models"][0]["signature"]["trusted_comment"].is_null(), "what nobody checked is not told");
    assert!(answer["models"][0]["facts"]["weight_bytes"].as_u64().is_some_and(|bytes| bytes > 100), "{answer}");
    assert_eq!(upres(&["verify", &folder.name("huge.onnx")]).status.code(), Some(1));
    let missing = upres(&["verify", "no-such-model", "small-x2"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stdout).contains("BAD  no-such-model; there is no model"), "{missing:?}");
}

#[test]
fn what_is_compiled_in_and_the_folder_are_verified_where_nothing_is_named() {
    let folder = Folder::new();
    let shown = upres(&["verify", "--json"]);
    assert!(shown.status.success(), "{shown:?}");
    let count = |shown: &Output| {
        let answer: Value = serde_json::from_slice(&shown.stdout).unwrap();
        answer["models"].as_array().unwrap().len()
    };
    let all = upres(&["verify", "--json", "--models-dir", &folder.name("")]);
    assert_eq!((all.status.code(), count(&all)), (Some(1), count(&shown) + 7), "huge is damaged in any case");
    // Files that no name leads to are looked over all the same.
    for name in ["deep.onnx", "LOUD.ONNX"] {
        fs::copy(folder.path("bare.onnx"), folder.path(name)).unwrap();
    }
    let all = upres(&["verify", "--trusted-key", &data("minisign-ours.pub"), &folder.name("")]);
    let lines = text(&all.stdout);
    assert_eq!(lines.lines().count(), 9, "{lines}");
    for name in ["deep.onnx", "LOUD.ONNX"] {
        assert!(lines.lines().any(|line| line.starts_with("BAD ") && line.contains(name)), "{lines}");
    }
}

/// Every command that opens a model, with `model` in its place.
fn commands(folder: &Folder, model: &str) -> Vec<Vec<String>> {
    let (picture, out) = (folder.name("in.ppm"), folder.name("out.png"));
    fs::write(&picture, b"P6 2 2 255\nabcdefghijkl").unwrap();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    vec![
        words(&format!("info {model}")),
        words(&format!("bench -m {model} --size 16x16 --frames 1 --warmup 0")),
        words(&format!("upscale -m {model} {picture} -o {out}")),
        words(&format!("live -m {model} --source pattern:size=160x120,rate=20 --probe --frames 2 --json")),
    ]
}

#[test]
fn no_command_opens_what_is_not_signed() {
    let folder = Folder::new();
    let key = data("minisign-ours.pub");
    for (name, part) in WRONG {
        for command in commands(&folder, &folder.name(&format!("{name}.onnx"))) {
            let output = program::upres().args(&command).env("UPRES_TRUSTED_KEY", &key).output().unwrap();
            assert!(!output.status.success() && text(&output.stderr).contains(part), "{command:?}: {output:?}");
        }
    }
    for command in &commands(&folder, &folder.name("good.onnx"))[..3] {
        let output = program::upres().args(command).args(["--trusted-key", &key]).output();
        assert!(output.as_ref().unwrap().status.success(), "{command:?}: {output:?}");
    }
}

#[test]
fn a_folder_of_models_is_listed_without_what_is_not_signed() {
    let folder = Folder::new();
    let key = data("minisign-ours.pub");
    let shown = upres(&["models", "--json", "--models-dir", &folder.name(""), "--trusted-key", &key]);
    assert!(shown.status.success(), "{shown:?}");
    let answer: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let outside: Vec<&str> = answer["models"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|model| !model["file"].is_null())
        .filter_map(|model| model["card"]["name"].as_str())
        .collect();
    assert_eq!(outside, ["deep", "good"]);
    assert!(text(&shown.stderr).contains("left out: "), "{shown:?}");
}

#[test]
fn live_takes_its_key_from_the_configuration() {
    let folder = Folder::new();
    let configuration = folder.name("live.toml");
    let write = |model: &str| {
        let (model, key) = (folder.name(model), data("minisign-ours.pub"));
        let text = format!("model = \"{model}\"\ntrusted-key = [\"{key}\"]\nprobe = true\nframes = 2\n");
        fs::write(&configuration, text).unwrap();
    };
    let live = || upres(&["live", "--config", &configuration, "--source", "pattern:size=160x120,rate=20"]);
    write("other.onnx");
    let refused = live();
    assert!(!refused.status.success() && text(&refused.stderr).contains("not among the trusted ones"), "{refused:?}");
    write("good.onnx");
    let shown = live();
    assert!(shown.status.success(), "{shown:?}");
}

#[test]
fn a_key_that_is_none_is_a_mistake_in_the_command() {
    for key in ["", "hello", "/dev/null/x"] {
        let refused = upres(&["info", "small-x2", "--trusted-key", key]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(text(&refused.stderr).contains("a key is a line such as RWQ"), "{refused:?}");
    }
}
