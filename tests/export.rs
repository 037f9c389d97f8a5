//! `upres-host export` from outside: files that any runtime reads, cards that fit them, refusals that name the file.

#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;
use upres::card::{Card, Precision, Tiling};
use upres::geometry::Size;
use upres::host::chain::{Chain, Layer, Recipe};
use upres::session::{Overrides, TractGenerator, digest};
use upres::upscale::Generator;

/// The chain whose output numpy gives in [`the_exported_file_equals_numpy_and_onnx_runtime`].
fn chain() -> Chain {
    let layer = |inputs: usize, outputs: usize, by: usize, over: f32, bias: Vec<f32>| Layer {
        inputs,
        outputs,
        weight: (0..outputs * inputs * 9).map(|i| ((i * by) % 19) as f32 / over - 9.0 / over).collect(),
        bias,
    };
    Chain {
        scale: 3,
        layers: vec![
            layer(1, 2, 5, 30.0, vec![0.05, -0.1]),
            layer(2, 9, 7, 90.0, (0..9).map(|o| o as f32 / 100.0).collect()),
        ],
    }
}

fn saved(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("weights.safetensors");
    let recipe = Recipe::from([("steps".into(), "7".into())]);
    std::fs::write(&path, chain().to_bytes(&recipe).unwrap()).unwrap();
    path
}

fn export(weights: &Path, output: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_upres-host"))
        .args(["export".as_ref(), weights.as_os_str(), "-o".as_ref(), output.as_os_str()])
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn a_folder_gets_the_model_and_its_card() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("tiny-x3");
    let done = export(&saved(folder.path()), &output, &[]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(told.contains("191 parameters") && told.contains("read back through tract"), "{told}");
    let card = Card::from_toml(&std::fs::read_to_string(output.join("card.toml")).unwrap()).unwrap();
    assert_eq!((card.name.as_str(), card.scale, card.precision), ("tiny-x3", 3, Precision::F32));
    assert_eq!((card.tiling, card.parameters, card.mac_per_pixel), (Tiling::Halo(2), 191, 180.0));
    assert_eq!(card.training["steps"], "7");
    assert_eq!(card.digest, digest(&std::fs::read(output.join("model.onnx")).unwrap()));
}

/// Expected values by numpy; ONNX Runtime 1.31.1 gives the exported file the same, to these digits:
/// ```python
/// import numpy as np
/// def layer(i, o, by, over): return ((np.arange(o*i*9) * by % 19 - 9) / over).reshape(o, i, 3, 3)
/// def conv(x, w, b, mode='constant'):
///     p = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode=mode); h, v = x.shape[1:]
///     s = lambda k: sum(w[k, c, i, j] * p[c, i:i+h, j:j+v] for c in range(len(x)) for i in range(3) for j in range(3))
///     return np.array([s(k) + b[k] for k in range(len(w))])
/// x = (np.arange(6) * 5 % 7 / 6).reshape(1, 2, 3)
/// res = conv(np.maximum(conv(x, layer(1, 2, 5, 30), [.05, -.1]), 0), layer(2, 9, 7, 90), np.arange(9) / 100)
/// t = [np.array([max(-d, 0), 1 - abs(d), max(d, 0)]) for d in (-1/3, 0, 1/3)]
/// s = res + conv(x, np.array([[np.outer(t[j], t[i])] for j in range(3) for i in range(3)]), [0] * 9, 'edge')
/// print(np.round(s.reshape(3, 3, 2, 3).transpose(2, 0, 3, 1).ravel(), 6).tolist())
/// ```
#[test]
#[allow(clippy::unreadable_literal)]
fn the_exported_file_equals_numpy_and_onnx_runtime() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("any name.onnx");
    assert!(export(&saved(folder.path()), &file, &["--name", "other"]).status.success());
    let generator = TractGenerator::open(&file, &Overrides::default()).unwrap();
    assert_eq!(generator.card().name, "other");
    let input: Vec<f32> = (0..6).map(|i| (i * 5 % 7) as f32 / 6.0).collect();
    let mut output = [0.0; 54];
    generator.plan(Size::new(3, 2)).unwrap().run(&input, &mut output).unwrap();
    let expected: [f32; 54] = [
        0.016049, 0.025123, 0.282654, 0.594444, 0.82821, 0.725864, 0.612654, 0.476975, 0.546235, 0.037407, 0.046481,
        0.304012, 0.609012, 0.842778, 0.740432, 0.632778, 0.497099, 0.566358, 0.114321, 0.123395, 0.433704, 0.679136,
        0.965679, 0.904383, 0.708457, 0.666605, 0.642037, 0.118519, 0.127593, 0.385123, 0.690123, 0.923889, 0.821543,
        0.713889, 0.57821, 0.647469, 0.195432, 0.204506, 0.514815, 0.760247, 1.04679, 0.985494, 0.789568, 0.747716,
        0.723148, 0.246111, 0.225864, 0.536173, 0.774815, 1.061358, 1.000062, 0.809691, 0.76784, 0.743272,
    ];
    for (n, (got, want)) in output.iter().zip(expected).enumerate() {
        assert!((got - want).abs() < 1e-5, "{n}: {got} {want}");
    }
}

#[test]
fn exporting_twice_gives_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let weights = saved(folder.path());
    let bytes = |name: &str| {
        let output = folder.path().join(name);
        assert!(export(&weights, &output, &["--name", "same"]).status.success());
        std::fs::read(output.join("model.onnx")).unwrap()
    };
    assert_eq!(bytes("a"), bytes("b"));
}

#[test]
fn what_cannot_be_exported_is_named_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("out");
    let garbage = folder.path().join("garbage.safetensors");
    std::fs::write(&garbage, b"\x10\0\0\0\0\0\0\0{\"a\":1}").unwrap();
    for (weights, reason) in [(garbage, "garbage.safetensors"), (folder.path().join("missing"), "missing")] {
        let refused = export(&weights, &output, &[]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains(reason),
            "{}",
            String::from_utf8_lossy(&refused.stderr)
        );
        assert!(!output.exists());
    }
}

/// Both ends in one file: strength 0 is the other file, 1 the file itself, and `--alpha` gives at export what `--strength`
/// gives on the device.
#[test]
fn two_ends_travel_in_one_file() {
    let folder = TempDir::new().unwrap();
    let sharp = saved(folder.path());
    let sure = folder.path().join("sure.safetensors");
    let mut other = chain();
    other.layers.iter_mut().flat_map(|layer| &mut layer.weight).for_each(|weight| *weight *= 0.5);
    std::fs::write(&sure, other.to_bytes(&Recipe::new()).unwrap()).unwrap();
    let from = sure.to_str().unwrap();
    let model = |name: &str, weights: &Path, more: &[&str]| {
        let output = folder.path().join(name);
        let done = export(weights, &output, more);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        output.join("model.onnx")
    };
    let run = |path: &Path, strength: Option<f32>| {
        let generator = TractGenerator::open(path, &Overrides { strength, ..Overrides::default() }).unwrap();
        let input: Vec<f32> = (0..48).map(|i| (i * 5 % 7) as f32 / 6.0).collect();
        let mut output = vec![0.0; 48 * 9];
        generator.plan(Size::new(8, 6)).unwrap().run(&input, &mut output).unwrap();
        output
    };
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let both = model("both", &sharp, &["--from", from]);
    assert!(TractGenerator::open(&both, &Overrides::default()).unwrap().can_blend());
    let half = model("half", &sharp, &["--from", from, "--alpha", "0.5"]);
    assert!(!TractGenerator::open(&half, &Overrides::default()).unwrap().can_blend());
    assert!(near(&run(&both, None), &run(&model("sharp", &sharp, &[]), None)));
    assert!(near(&run(&both, Some(0.0)), &run(&model("sure", &sure, &[]), None)));
    assert!(near(&run(&both, Some(0.5)), &run(&half, None)));
    assert!(!near(&run(&both, Some(0.5)), &run(&both, None)));
    let refused = Overrides { strength: Some(0.5), ..Overrides::default() };
    let message = TractGenerator::open(&half, &refused).err().unwrap().to_string();
    assert!(message.contains("one strength only"), "{message}");
    let refused = export(&sharp, &folder.path().join("x"), &["--from", from, "--alpha", "2"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("between 0 and 1"));
}
