//! `upres-host quantise` from outside: int8 files near their float network, in both spellings, with and without tuning.

#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use upres::card::{Card, Colour, Precision};
use upres::frame::Plane;
use upres::geometry::Size;
use upres::host::chain::{Chain, Layer, Maps, Recipe};
use upres::session::{Overrides, TractGenerator};
use upres::upscale::Generator;

/// A network of ×2 for luma with random weights of He's size and a small last layer.
fn chain() -> Chain {
    chain_of(1)
}

/// The same for any number of planes.
fn chain_of(planes: usize) -> Chain {
    let mut seed = 9u32;
    let mut layer = |inputs: usize, outputs: usize, gain: f32| {
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            gain * ((seed >> 8) as f32 / 8_388_608.0 - 1.0) * (6.0 / (inputs * 9) as f32).sqrt()
        };
        let weight = (0..outputs * inputs * 9).map(|_| next()).collect();
        Layer { inputs, outputs, weight, bias: (0..outputs).map(|_| 0.1 * next()).collect() }
    };
    Chain { scale: 2, layers: vec![layer(planes, 8, 1.0), layer(8, 8, 1.0), layer(8, 4 * planes, 0.1)] }
}

struct Desk {
    folder: TempDir,
    weights: PathBuf,
    photographs: PathBuf,
}

impl Desk {
    fn new() -> Self {
        Self::with(&chain())
    }

    fn with(chain: &Chain) -> Self {
        let folder = TempDir::new().unwrap();
        let weights = folder.path().join("weights.safetensors");
        std::fs::write(&weights, chain.to_bytes(&Recipe::new()).unwrap()).unwrap();
        let photographs = folder.path().join("photographs");
        std::fs::create_dir(&photographs).unwrap();
        for n in 0..3u32 {
            let wave = |x: u32, y: u32, by: f32| {
                (128.0 + 100.0 * ((x * (n + 1)) as f32 / by).sin() * (y as f32 / 11.0).cos()) as u8
            };
            let picture = RgbImage::from_fn(72, 64, |x, y| {
                Rgb([wave(x, y, 5.0), wave(x, y, 9.0), if (x / 7 + y / 5) % 2 == 0 { 40 } else { 210 }])
            });
            picture.save(photographs.join(format!("{n}.png"))).unwrap();
        }
        Self { folder, weights, photographs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn quantise(&self, output: &Path, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_upres-host"))
            .arg("quantise")
            .args([&self.weights, Path::new("--calibrate"), &self.photographs, Path::new("-o"), output])
            .args(more)
            .output()
            .unwrap()
    }

    fn quantised(&self, name: &str, more: &[&str]) -> PathBuf {
        let output = self.path(name);
        let done = self.quantise(&output, more);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(String::from_utf8_lossy(&done.stdout).contains("read back, at most"));
        output
    }
}

/// Mean difference in 255ths between a file on the device and the float network.
fn difference(model: &Path) -> f32 {
    difference_to(&chain(), model)
}

fn difference_to(chain: &Chain, model: &Path) -> f32 {
    let generator = TractGenerator::open(model, &Overrides::default()).unwrap();
    let size = Size::new(31, 22);
    let plane = |by: f32| Plane::from_fn(size, |x, y| 0.5 + 0.4 * (x as f32 / by).sin() * (y as f32 / 4.0).cos()).data;
    let low: Vec<f32> = [3.0, 5.0, 7.0].iter().take(chain.planes()).flat_map(|by| plane(*by)).collect();
    let float = chain.forward(&Maps::from_samples(size, &low)).samples();
    let mut output = vec![0.0; float.len()];
    generator.plan(size).unwrap().run(&low, &mut output).unwrap();
    255.0 * output.iter().zip(&float).map(|(a, b)| (a - b).abs()).sum::<f32>() / output.len() as f32
}

#[test]
fn both_spellings_are_one_network_near_the_float_one() {
    let desk = Desk::new();
    let qlinear = desk.quantised("a-int8", &[]).join("model.onnx");
    let qdq = desk.quantised("b.onnx", &["--form", "qdq", "--name", "a-int8"]);
    assert!(difference(&qlinear) < 1.0 && difference(&qlinear) > 0.01, "{}", difference(&qlinear));
    assert_eq!(difference(&qlinear).to_bits(), difference(&qdq).to_bits());
    let card = Card::from_toml(&std::fs::read_to_string(desk.path("a-int8/card.toml")).unwrap()).unwrap();
    assert_eq!((card.name.as_str(), card.precision, card.scale), ("a-int8", Precision::Int8, 2));
    assert_eq!(
        (card.training["quantisation.method"].as_str(), card.training["quantisation.weight_bits"].as_str()),
        ("mse", "7")
    );
}

#[test]
fn networks_of_three_colours_are_quantised_too() {
    let chain = chain_of(3);
    let desk = Desk::with(&chain);
    let model = desk.quantised("rgb", &[]).join("model.onnx");
    assert!((0.01..1.0).contains(&difference_to(&chain, &model)), "{}", difference_to(&chain, &model));
    let card = Card::from_toml(&std::fs::read_to_string(desk.path("rgb/card.toml")).unwrap()).unwrap();
    assert_eq!((card.colour, card.precision), (Colour::Rgb, Precision::Int8));
    let tuning = ["--fine-tune", "20", "--photographs", desk.photographs.to_str().unwrap()];
    let refused = desk.quantise(&desk.path("tuned"), &tuning);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("fine-tuning learns luma"), "{told}");
    assert!(!desk.path("tuned").exists());
}

#[test]
fn every_method_and_width_works_and_repeats() {
    let desk = Desk::new();
    for (n, (method, bits)) in [("minmax", "8"), ("percentile", "7"), ("percentile:99.5", "8")].into_iter().enumerate()
    {
        let options = ["--method", method, "--weight-bits", bits, "--name", "q"];
        let once = desk.quantised(&format!("{n}-once.onnx"), &options);
        let again = desk.quantised(&format!("{n}-again.onnx"), &[&options[..], &["--threads", "1"]].concat());
        assert!(difference(&once) < 2.0, "{method} {bits}: {}", difference(&once));
        assert_eq!(std::fs::read(once).unwrap(), std::fs::read(again).unwrap());
    }
}

#[test]
fn fine_tuning_runs_reports_and_is_never_worse_than_calibration() {
    let desk = Desk::new();
    let output = desk.path("tuned");
    let photographs = desk.photographs.to_str().unwrap();
    let tuning = [
        "--method",
        "minmax",
        "--fine-tune",
        "20",
        "--photographs",
        photographs,
        "--measure",
        "10",
        "--patch",
        "16",
        "--batch",
        "4",
        "--rate",
        "1e-3",
    ];
    let done = desk.quantise(&output, &tuning);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{told}");
    assert!(told.contains("step 10 of 20") && told.contains("step 20 of 20"), "{told}");
    let score = |of: &str| -> f64 {
        let line = told.lines().find(|line| line.starts_with(of)).expect("a line for each stage");
        line.split(": ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap()
    };
    assert!(score("fine-tuned") >= score("calibrated"), "{told}");
    let card = Card::from_toml(&std::fs::read_to_string(output.join("card.toml")).unwrap()).unwrap();
    assert_eq!(card.training["quantisation.fine_tune_steps"], "20");
}

#[test]
fn idle_channels_are_reused_and_told_of() {
    let idle = |chain: &Chain| -> usize {
        let desk = Desk::with(chain);
        let done = desk.quantise(&desk.path("q"), &["--method", "minmax"]);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        let card = Card::from_toml(&std::fs::read_to_string(desk.path("q/card.toml")).unwrap()).unwrap();
        let count = card.training.get("quantisation.idle_channels_reused");
        assert_eq!(told.contains("hidden channels are idle"), count.is_some(), "{told}");
        count.map_or(0, |count| count.parse().unwrap())
    };
    let mut dead = chain();
    dead.layers[0].bias[..2].fill(-9.0);
    dead.layers[0].bias[2..].fill(1.0);
    dead.layers[1].bias.fill(9.0);
    assert_eq!(idle(&dead), 2);
    dead.layers[0].bias.fill(1.0);
    assert_eq!(idle(&dead), 0);
}

#[test]
fn impossible_wishes_are_refused_before_anything_is_written() {
    let desk = Desk::new();
    let output = desk.path("out");
    for (wish, code, reason) in [
        (&["--method", "guess"][..], 2, "way to calibrate"),
        (&["--weight-bits", "4"], 2, "4"),
        (&["--fine-tune", "5"], 2, "photographs"),
        (&["--rate", "0"], 2, "learning rate"),
        (&["--pictures", "0"], 2, "0"),
    ] {
        let refused = desk.quantise(&output, wish);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{told}");
        assert!(told.contains(reason) && !output.exists(), "{told}");
    }
    std::fs::remove_dir_all(&desk.photographs).unwrap();
    std::fs::create_dir(&desk.photographs).unwrap();
    let refused = desk.quantise(&output, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no usable picture"));
}
