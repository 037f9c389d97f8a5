//! The engine against tract, from outside: every model at hand, both ways, the same pictures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::float_cmp)]

mod skip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use upres::geometry::Size;
use upres::kernel::Level;
use upres::session::{Overrides, Runner, TractGenerator};
use upres::upscale::Generator;

/// Repeatable samples from 0 to 1, smooth enough for a network and never flat.
fn picture(size: Size, planes: usize) -> Vec<f32> {
    let mut state = 5_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0
    };
    (0..planes * size.area()).map(|i| 0.35 + 0.3 * ((i % size.width) as f32 / 9.0).sin().abs() + 0.3 * next()).collect()
}

fn enlarge(path: &Path, overrides: &Overrides, size: Size) -> (TractGenerator, Vec<f32>) {
    let generator = TractGenerator::open(path, overrides).unwrap();
    let (planes, scale) = (generator.card().colour.planes(), generator.card().scale);
    let mut output = vec![f32::NAN; planes * size.area() * scale * scale];
    generator.plan(size).unwrap().run(&picture(size, planes), &mut output).unwrap();
    (generator, output)
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() }).fold(0.0, f32::max)
}

/// Runs the model both ways; `most` is how far they may be apart.
fn agrees(path: &Path, size: Size, most: f32) {
    let tract = Overrides { runner: Runner::Tract, ..Overrides::default() };
    let (stock, expected) = enlarge(path, &tract, size);
    assert!(!stock.is_whole() && stock.recognised().islands.is_empty());
    let (generator, got) = enlarge(path, &Overrides::default(), size);
    assert!(!generator.recognised().islands.is_empty(), "{}: nothing was recognised", path.display());
    assert_eq!(stock.card().range, generator.card().range);
    let far = furthest(&got, &expected);
    assert!(far <= most, "{}: {far} apart", path.display());
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

#[test]
fn our_generators_run_whole_and_as_tract_runs_them() {
    let mut seen = 0;
    for folder in std::fs::read_dir(models()).unwrap() {
        let path = folder.unwrap().path().join("model.onnx");
        if !path.exists() {
            continue;
        }
        let generator = TractGenerator::open(&path, &Overrides::default()).unwrap();
        assert!(generator.is_whole(), "{}: {:?}", path.display(), generator.recognised().left);
        // tract rounds ties of bytes otherwise, a step of the residual each time.
        let most = if path.to_string_lossy().contains("int8") { 0.03 } else { 1e-5 };
        agrees(&path, Size::new(67, 41), most);
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} models");
}

#[test]
fn levels_give_the_same_bits() {
    for name in ["small-x4", "medium-x4-int8"] {
        let path = models().join(name).join("model.onnx");
        let size = Size::new(50, 33);
        let (_, expected) = enlarge(&path, &Overrides { cpu: Some(Level::Scalar), ..Overrides::default() }, size);
        for level in Level::available() {
            let (_, got) = enlarge(&path, &Overrides { cpu: Some(level), ..Overrides::default() }, size);
            assert!(got == expected, "{name}: {} differs from scalar", level.name());
        }
    }
}

#[test]
fn other_peoples_generators_run_as_tract_runs_them() {
    let Some(folder) = skip::folder("UPRES_PEERS", "shared/peers/models") else { return };
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|e| e != "onnx") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let size = if name.contains("180x320") {
            Size::new(320, 180)
        } else if name.contains("128x128") {
            Size::new(128, 128)
        } else {
            Size::new(64, 64)
        };
        // RLFN works on 0 to 255. Bytes are held against ONNX Runtime in tests/models.rs, since tract rounds them otherwise.
        if !name.contains("u8s8") {
            agrees(&path, size, if name.contains("RLFN") { 2e-3 } else { 1e-4 });
        }
        seen += 1;
    }
    assert!(seen >= 14, "only {seen} models");
}

#[test]
fn bytes_are_what_onnx_runtime_makes_of_them() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    // tests/data/int8.py wrote the graphs and ran them.
    let expected: BTreeMap<String, Vec<i32>> = serde_json::from_str(include_str!("data/int8.json")).unwrap();
    let size = Size::new(23, 19);
    let mut state = 5_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as f32 / 256.0
    };
    let picture: Vec<f32> = (0..size.area()).map(|_| next()).collect();
    for (name, halves) in &expected {
        let expected: Vec<f32> = halves.iter().map(|&n| n as f32 / 2.0).collect();
        for level in Level::available() {
            // The outputs are no pictures, so the range is told.
            let overrides = Overrides { cpu: Some(level), range: Some([0.0, 1.0]), ..Overrides::default() };
            let generator = TractGenerator::open(&data.join(format!("{name}.onnx")), &overrides).unwrap();
            assert!(generator.is_whole(), "{name}: {:?}", generator.recognised().left);
            let mut output = vec![f32::NAN; expected.len()];
            generator.plan(size).unwrap().run(&picture, &mut output).unwrap();
            assert!(output == expected, "{name} on {} is not what ONNX Runtime makes of it", level.name());
        }
    }
}
