//! `upres-host recipes` and `train --recipe` from outside: a network learns against a discriminator, goes on where it was
//! stopped, and comes out as a file that the device runs.

#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;
use upres::card::Colour;
use upres::session::{Overrides, TractGenerator};
use upres::upscale::Generator;

fn host(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_upres-host")).args(args).env_remove("UPRES_WEIGHTS").output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn photographs(folder: &Path) -> String {
    let photographs = folder.join("photographs");
    std::fs::create_dir(&photographs).unwrap();
    for n in 0..2u32 {
        let picture = image::RgbImage::from_fn(60, 52, |x, y| {
            image::Rgb([(x * 4) as u8, (y * 4 + n * 50) as u8, ((x * x + y * (n + 3)) % 256) as u8])
        });
        picture.save(photographs.join(format!("{n}.png"))).unwrap();
    }
    photographs.to_str().unwrap().into()
}

/// A small network of two planes' width that needs no weights of others.
const SMALL: [&str; 14] = [
    "--set",
    "generator.channels=4",
    "--set",
    "generator.blocks=1",
    "--set",
    "generator.scale=2",
    "--set",
    "loss.lpips=0.0",
    "--set",
    "adversary.channels=4",
    "--set",
    "patch=8",
    "--set",
    "batch=2",
];

#[test]
fn recipes_are_listed_and_printed() {
    let list = host(&["recipes"]);
    let text = told(&list);
    assert!(list.status.success() && text.contains("edge-gan") && text.contains("srresnet"), "{text}");
    let one = told(&host(&["recipes", "srgan-vgg54"]));
    assert!(one.contains("relu5_4") && one.contains("non-saturating"), "{one}");
    let none = host(&["recipes", "nonsense"]);
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn a_recipe_is_followed_stopped_resumed_and_exported() {
    let folder = TempDir::new().unwrap();
    let (data, out) = (photographs(folder.path()), folder.path().join("run"));
    let run = out.to_str().unwrap();
    let train = |steps: &str, more: &[&str]| {
        let steps = format!("steps={steps}");
        let fixed = ["train", &data, "--recipe", "edge-gan-rgb", "-o", run, "--validation", &data, "--measure", "3"];
        host(&[&fixed, &SMALL[..], &["--set", &steps, "--threads", "1"], more].concat())
    };
    let first = train("6", &["--json"]);
    assert!(first.status.success(), "{}", told(&first));
    let lines: Vec<serde_json::Value> =
        String::from_utf8_lossy(&first.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for name in ["loss", "pixel", "adversarial", "d_loss", "d_real", "d_fake", "psnr"] {
        assert!(lines[1]["values"][name].is_number(), "{name}: {}", lines[1]);
    }
    let page = std::fs::read_to_string(out.join("run.html")).unwrap();
    assert!(page.contains("d_real") && page.contains("data:image/png") && page.contains("edge"), "no page of the run");
    let again = train("6", &[]);
    assert!(again.status.code() == Some(2) && told(&again).contains("--resume"), "{}", told(&again));
    for (steps, more, why) in [("6", &["--set", "seed=9"][..], "another recipe"), ("5", &[], "taken 6 steps already")] {
        let other = train(steps, &[&["--resume"], more].concat());
        assert!(other.status.code() == Some(2) && told(&other).contains(why), "{}", told(&other));
    }
    let longer = train("9", &["--resume", "--json"]);
    let lines = String::from_utf8_lossy(&longer.stdout).into_owned();
    assert!(
        longer.status.success() && lines.lines().count() == 1 && lines.contains(r#""step":9"#),
        "{}",
        told(&longer)
    );
    let (weights, file) = (out.join("last.safetensors"), folder.path().join("made.onnx"));
    let exported = host(&["export", weights.to_str().unwrap(), "-o", file.to_str().unwrap()]);
    assert!(exported.status.success(), "{}", told(&exported));
    let generator = TractGenerator::open(&file, &Overrides::default()).unwrap();
    assert_eq!((generator.card().scale, generator.card().colour), (2, Colour::Rgb));
    assert!(generator.card().training["recipe"].contains("relativistic"));
}

#[test]
fn what_a_recipe_lacks_is_said() {
    let folder = TempDir::new().unwrap();
    let (data, out) = (photographs(folder.path()), folder.path().join("run"));
    let refused = |recipe: &str, more: &[&str]| {
        let fixed = ["train", &data, "--recipe", recipe, "-o", out.to_str().unwrap()];
        let output = host(&[&fixed, more].concat());
        assert!(!output.status.success());
        told(&output)
    };
    assert!(refused("nonsense", &[]).contains("edge-gan"));
    assert!(refused("edge-gan", &["--set", "batch=none"]).contains("cannot be read"));
    // What the recipe decides is not taken from options that it would pass over.
    for option in ["--steps=100", "--rate=1e-4", "--scale=2", "--seed=3", "--batch=1"] {
        assert!(refused("edge-gan", &[option]).contains("cannot be used with"), "{option}");
    }
    for options in [&["--precision", "bf16"][..], &["--set", "precision=bf16"]] {
        assert!(cfg!(feature = "cuda") || refused("espcn", options).contains("needs an NVIDIA GPU"), "{options:?}");
    }
    assert!(refused("edge-gan", &["--judged-side", "0"]).contains("8..=1024"));
    assert!(refused("edge-gan", &[]).contains("--weights DIR"));
    assert!(refused("srgan-vgg54", &[]).contains("--vgg FILE"));
    let wrong = folder.path().join("vgg.safetensors");
    std::fs::write(&wrong, b"no tensors").unwrap();
    assert!(refused("srgan-vgg54", &["--vgg", wrong.to_str().unwrap()]).contains("vgg.safetensors"));
}
