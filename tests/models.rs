//! Foreign generators: loaded, understood, run, and compared with ONNX Runtime.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::float_cmp)]

mod skip;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::{Command, Output};
use upres::card::Tiling;
use upres::geometry::Size;
use upres::onnx::build::{GraphBuilder, int, ints, name, size};
use upres::onnx::proto::element;
use upres::session::{Overrides, TractGenerator};
use upres::upscale::Generator;

/// What ONNX Runtime makes of one model; `tests/data/peers.py` wrote it.
#[derive(Deserialize)]
struct Expected {
    range: [f32; 2],
    width: usize,
    height: usize,
    shape: [usize; 4],
    samples: Vec<f64>,
    mean: f64,
    deviation: f64,
}

fn noise(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0
    };
    (0..count).map(next).collect()
}

#[test]
fn foreign_models_give_what_onnx_runtime_gives() {
    let Some(folder) = skip::folder("UPRES_PEERS", "shared/peers/models") else { return };
    let expected: BTreeMap<String, Expected> = serde_json::from_str(include_str!("data/peers.json")).unwrap();
    for (file, expected) in expected {
        let path = folder.join(&file);
        if !path.is_file() {
            skip::skip(&format!("no {}", path.display()));
            continue;
        }
        // Networks with random weights do not show their range; the others do.
        let random = file.starts_with("edge-") || file.starts_with("compact-");
        let overrides = Overrides { range: random.then_some([0.0, 1.0]), ..Overrides::default() };
        let generator = TractGenerator::open(&path, &overrides).unwrap();
        let card = generator.card();
        assert_eq!(card.range, expected.range, "{file}");
        assert_eq!(card.scale, 4, "{file}");
        assert_eq!(card.colour.planes(), expected.shape[1], "{file}");
        let input = Size::new(expected.width, expected.height);
        let mut output = vec![f32::NAN; expected.shape.iter().product()];
        generator.plan(input).unwrap().run(&noise(input.area() * card.colour.planes()), &mut output).unwrap();
        compare(&file, &output, &expected);
    }
}

fn compare(file: &str, output: &[f32], expected: &Expected) {
    let last = (expected.samples.len() - 1) as f64;
    // numpy's linspace, truncated.
    let place = |i: usize| (i as f64 * ((output.len() - 1) as f64 / last)) as usize;
    let differences: Vec<f64> =
        expected.samples.iter().enumerate().map(|(i, &e)| (f64::from(output[place(i)]) - e).abs()).collect();
    let largest = differences.iter().copied().fold(0.0, f64::max);
    let mean = output.iter().map(|&v| f64::from(v)).sum::<f64>() / output.len() as f64;
    let variance = output.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / output.len() as f64;
    println!(
        "{file}: largest difference {largest:.2e}, mean {:.2e}, deviation {:.2e}",
        mean - expected.mean,
        variance.sqrt() - expected.deviation
    );
    assert!(largest < 1e-4, "{file} differs by {largest}");
    assert!((mean - expected.mean).abs() < 1e-4 && (variance.sqrt() - expected.deviation).abs() < 1e-3, "{file}");
}

fn upres(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_upres")).args(arguments).output().unwrap()
}

#[test]
fn instance_normalisation_is_recognised_and_tiles_are_refused_with_the_reason() {
    let Some(folder) = skip::folder("UPRES_PEERS", "shared/peers/models") else { return };
    let path = folder.join("Fast-SRGAN_x4.onnx");
    let generator = TractGenerator::open(&path, &Overrides::default()).unwrap();
    let Tiling::Whole(reason) = &generator.card().tiling else { panic!("{:?}", generator.card().tiling) };
    assert!(reason.contains("InstanceNormalization") && reason.contains("whole picture"), "{reason}");
    let file = path.to_str().unwrap();
    let shown = upres(&["info", file]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("cannot be tiled: InstanceNormalization"));
    let refused = upres(&["bench", "--model", file, "--size", "64x64", "--tile", "32", "--frames", "1"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("InstanceNormalization"), "{refused:?}");
}

/// Receptive fields by hand: sums of kernel radii (dilated, at the grid where each layer works).
#[test]
fn receptive_fields_and_weights_of_published_networks() {
    let Some(folder) = skip::folder("UPRES_PEERS", "shared/peers/models") else { return };
    // ESPCN: 5×5, 3×3, 3×3. The compact networks: one 3×3 a layer, 18 and 34 of them.
    let facts = [
        ("ESPCN_x4.onnx", 4, 24_752),
        ("realesr-animevideov3_x4.onnx", 18, 621_424),
        ("RealESRGAN_General_x4_v3.onnx", 34, 1_213_296),
        ("CARN-M_x4.onnx", 21, 430_482),
    ];
    for (file, halo, parameters) in facts {
        let generator = TractGenerator::open(&folder.join(file), &Overrides::default()).unwrap();
        assert_eq!(generator.card().tiling, Tiling::Halo(halo), "{file}");
        assert_eq!(generator.card().parameters, parameters, "{file}");
    }
}

#[test]
fn bench_prints_what_scripts_read() {
    let Some(folder) = skip::folder("UPRES_PEERS", "shared/peers/models") else { return };
    let model = folder.join("ESPCN_x4.onnx");
    let shown = upres(&[
        "bench",
        "--model",
        model.to_str().unwrap(),
        "--size",
        "40x30",
        "--threads",
        "2",
        "--frames",
        "4",
        "--json",
    ]);
    assert!(shown.status.success(), "{shown:?}");
    let answer: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    for stage in ["frame_ms", "gather_ms", "network_ms", "stitch_ms"] {
        let times = answer[stage].as_array().unwrap();
        assert!(times.len() == 4 && times.iter().all(|t| t.as_f64().is_some_and(|t| t >= 0.0)), "{stage}: {answer}");
    }
    assert_eq!((answer["threads"].as_u64(), answer["size"].as_str()), (Some(2), Some("40x30")));
}

#[test]
fn bench_tells_what_every_layer_and_a_camera_frame_cost() {
    let asked = ["bench", "-m", "small-x4", "--size", "40x30", "--frames", "2", "--layers", "--camera", "--json"];
    let shown = upres(&asked);
    assert!(shown.status.success(), "{shown:?}");
    let answer: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let layers = answer["layers"].as_array().unwrap();
    let work: u64 = layers.iter().map(|layer| layer["multiply_adds"].as_u64().unwrap()).sum();
    // Base and first layer read one plane, the other five layers 16 channels; 3x3 taps, 16 outputs.
    assert_eq!(work, (2 * 9 * 16 + 5 * 9 * 16 * 16) * 40 * 30, "{answer}");
    assert!(layers.iter().all(|layer| layer["ms"].as_f64().is_some_and(|ms| ms > 0.0)), "{answer}");
    for stage in ["unpack_ms", "generator_ms", "chroma_ms"] {
        assert!(answer["camera"][stage].as_f64().is_some_and(|ms| ms > 0.0), "{stage}: {answer}");
    }
    let told = String::from_utf8(upres(&asked[..9]).stdout).unwrap();
    assert!(told.contains("convolution 3x3 1 to 16, direct") && told.contains("unpacking YUYV"), "{told}");
}

/// A folder with one small ×2 model, and the arguments that name it.
fn small_zoo() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut graph = GraphBuilder::new("small");
    let shape = |h: &str, w: &str| [size(1), size(1), name(h), name(w)];
    graph.input("x", element::F32, &shape("h", "w")).output("y", element::F32, &shape("h2", "w2"));
    graph.f32("w", &[4, 1, 3, 3], &[0.1; 36]).node("Conv", &["x", "w"], "c", vec![ints("pads", &[1; 4])]);
    graph.node("DepthToSpace", &["c"], "y", vec![int("blocksize", 2)]);
    std::fs::write(folder.path().join("small-x2.onnx"), graph.finish().to_bytes()).unwrap();
    folder
}

#[test]
fn models_and_info_tell_what_is_at_hand() {
    let folder = small_zoo();
    let place = folder.path().to_str().unwrap();
    let listed = upres(&["models", "--models-dir", place]);
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains("small-x2"), "{listed:?}");
    let json = |arguments: &[&str]| -> serde_json::Value {
        let shown = upres(arguments);
        assert!(shown.status.success(), "{shown:?}");
        serde_json::from_slice(&shown.stdout).unwrap()
    };
    let models = json(&["models", "--models-dir", place, "--json"]);
    let cards = models["models"].as_array().unwrap();
    let card = cards.iter().map(|m| &m["card"]).find(|c| c["name"] == "small-x2").unwrap();
    assert_eq!((card["scale"].as_u64(), card["tiling"]["halo"].as_u64()), (Some(2), Some(1)));
    let info = json(&["info", "small-x2", "--models-dir", place, "--json"]);
    assert_eq!(&info["card"], card);
    assert_eq!((info["card"]["parameters"].as_u64(), info["card"]["mac_per_pixel"].as_f64()), (Some(36), Some(36.0)));
    assert_eq!((info["operators"]["Conv"].as_u64(), info["operators"]["DepthToSpace"].as_u64()), (Some(1), Some(1)));
    assert_eq!(info["card"]["digest"].as_str().map(str::len), Some(64));
    let corrected =
        json(&["info", "small-x2", "--models-dir", place, "--json", "--model-range=-1,1", "--model-halo", "4"]);
    assert_eq!(
        (corrected["card"]["range"][0].as_f64(), corrected["card"]["tiling"]["halo"].as_u64()),
        (Some(-1.0), Some(4))
    );
}

#[test]
fn a_folder_that_happens_to_lie_here_does_not_take_a_model_s_place() {
    let folder = small_zoo();
    std::fs::create_dir(folder.path().join("small-x4")).unwrap();
    std::fs::write(folder.path().join("small-x4/model.onnx"), b"something else").unwrap();
    let info = |name: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_upres"))
            .args(["info", name, "--json"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), text.contains("\"parameters\": 36") || text.contains("\"parameters\":36"))
    };
    assert_eq!(info("small-x4"), (true, false), "the one that is compiled in");
    assert_eq!(info("small-x2.onnx"), (true, true), "the file that lies here");
    assert!(!info("./small-x4").0, "the folder, where it is meant");
}

#[test]
fn what_cannot_be_opened_is_said_plainly() {
    let folder = small_zoo();
    let place = folder.path().to_str().unwrap();
    let refused = |arguments: &[&str], code: i32, part: &str| {
        let output = upres(arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(message.contains(part) && output.stdout.is_empty(), "{message}");
    };
    refused(&["info", "large-x9", "--models-dir", place], 2, "there is no model 'large-x9'");
    refused(&["info", "missing.onnx"], 1, "missing.onnx");
    refused(&["info", "small-x2", "--models-dir", place, "--model-halo", "0"], 2, "too small");
    refused(&["info", "small-x2", "--models-dir", place, "--model-range", "1,0"], 2, "is not a range");
    let broken = folder.path().join("broken.onnx");
    std::fs::write(&broken, b"GIF89a").unwrap();
    refused(&["info", broken.to_str().unwrap()], 1, "damaged or is not an ONNX model");
}

#[test]
fn a_reader_that_wants_no_more_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_upres"))
        .args(["info", "large-x4"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(141));
}
