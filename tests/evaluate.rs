//! `upres-host evaluate`, run from outside.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use image::{GrayImage, Luma, Rgb, RgbImage};
mod skip;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn evaluate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upres-host"));
    command.env_remove("UPRES_WEIGHTS").arg("evaluate").args(arguments).output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = evaluate(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn textured(width: u32, height: u32, seed: u32) -> RgbImage {
    let level = |x: u32, y: u32| ((x * x / 7 + y * (3 + seed) + x * y / 5 + 40 * (x / 9 % 2)) % 256) as u8;
    RgbImage::from_fn(width, height, |x, y| Rgb([level(x, y), level(y, x), level(x + y, seed)]))
}

fn folder_with(pictures: &[(&str, RgbImage)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("HR")).unwrap();
    for (name, picture) in pictures {
        picture.save(folder.path().join("HR").join(name)).unwrap();
    }
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

// The means are those of the judge at hand: Pillow-read PNGs, MATLAB's imresize in float64, luma_studio, psnr and ssim:
// judge.py baseline --kind bicubic --in SET/LR_x4 --out OUT && judge.py score --hr SET/HR --sr OUT
#[test]
fn bicubic_scores_what_it_scores_in_the_papers() {
    let Some(data) = skip::folder("UPRES_DATA", "shared/data") else { return };
    let folders = ["Set5", "Set14", "BSD100"].map(|set| data.join("bench").join(set));
    let report = json(&["bicubic", "--on", text(&folders[0]), "--on", text(&folders[1]), "--on", text(&folders[2])]);
    let expected =
        [("Set5", 28.4318, 0.81126, 28.43), ("Set14", 26.0928, 0.70491, 26.09), ("BSD100", 25.9630, 0.66818, 25.96)];
    for (set, (name, psnr, ssim, published)) in report["sets"].as_array().unwrap().iter().zip(expected) {
        let mean = &set["mean"]["bicubic"];
        let got = (mean["psnr_y"].as_f64().unwrap(), mean["ssim_y"].as_f64().unwrap());
        assert_eq!(set["set"], name);
        assert!((got.0 - psnr).abs() < 0.005 && (got.1 - ssim).abs() < 0.0005, "{name}: {got:?}");
        assert!((got.0 - published).abs() < 0.02, "{name}: {got:?}");
    }
}

#[test]
fn small_pictures_are_made_where_the_set_has_none() {
    // 67 x 50 is cut to 64 x 48 at the right and the bottom.
    let folder = folder_with(&[("a.png", textured(67, 50, 1)), ("b.png", textured(64, 48, 2))]);
    let made = json(&["bicubic", "--on", text(folder.path())]);
    assert_eq!(made["sets"][0]["pictures"][0]["size"], serde_json::json!([64, 48]));
    let small = folder.path().join("LR_x4");
    std::fs::create_dir(&small).unwrap();
    for (name, picture) in [("a.png", textured(67, 50, 1)), ("b.png", textured(64, 48, 2))] {
        let cut = image::imageops::crop_imm(&picture, 0, 0, 64, 48).to_image();
        let (pixels, size) = upres::resample::shrink_u8(cut.as_raw(), upres::geometry::Size::new(64, 48), 3, 4);
        RgbImage::from_raw(size.width as u32, size.height as u32, pixels).unwrap().save(small.join(name)).unwrap();
    }
    assert_eq!(json(&["bicubic", "--on", text(folder.path())]), made);
}

#[test]
fn grey_pictures_score_as_their_colour_twins() {
    let grey = GrayImage::from_fn(64, 64, |x, y| Luma([textured(64, 64, 3).get_pixel(x, y).0[0]]));
    let twin = RgbImage::from_fn(64, 64, |x, y| Rgb([grey.get_pixel(x, y).0[0]; 3]));
    let folder = folder_with(&[("colour.png", twin)]);
    grey.save(folder.path().join("HR/grey.png")).unwrap();
    let report = json(&["lanczos", "--scale", "2", "--on", text(folder.path())]);
    let pictures = &report["sets"][0]["pictures"];
    assert_eq!(pictures[0]["scores"], pictures[1]["scores"]);
    assert!(pictures[0]["scores"]["lanczos"]["psnr_y"].as_f64().unwrap() > 5.0);
}

#[test]
fn the_method_without_weights_is_judged_by_its_name() {
    let folder = folder_with(&[("a.png", textured(64, 48, 1))]);
    let report = json(&["selfexsr-x2", "bicubic", "--on", text(folder.path())]);
    assert_eq!(report["sets"][0]["scale"], 2);
    assert!(report["sets"][0]["mean"]["selfexsr-x2"]["psnr_y"].as_f64().unwrap() > 5.0);
    // Its small picture has 16 x 12 pixels: fewer than the method takes, so the edge is repeated.
    let report = json(&["selfexsr", "--on", text(folder.path())]);
    assert_eq!((&report["sets"][0]["scale"], &report["sets"][0]["methods"][0]), (&4.into(), &"selfexsr-x4".into()));
}

#[test]
fn a_bad_picture_is_named_and_the_rest_is_measured() {
    let folder = folder_with(&[("good.png", textured(64, 64, 1))]);
    std::fs::write(folder.path().join("HR/bad.png"), b"not a picture").unwrap();
    let output = evaluate(&["bicubic", "--on", text(folder.path())]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed.contains("mean of 1 ") && printed.contains("bad: left out"), "{printed}");
}

#[test]
fn a_small_picture_of_another_size_is_refused() {
    let folder = folder_with(&[("a.png", textured(64, 64, 1))]);
    std::fs::create_dir(folder.path().join("LR_x4")).unwrap();
    textured(20, 16, 1).save(folder.path().join("LR_x4/a.png")).unwrap();
    let output = evaluate(&["bicubic", "--on", text(folder.path())]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() && printed.contains("64x64 is not 4 times its small picture of 20x16"),
        "{printed}"
    );
}

#[test]
fn the_page_stands_alone_and_shows_every_method() {
    let folder = folder_with(&[("a&b.png", textured(160, 120, 1)), ("c.png", textured(120, 160, 4))]);
    let page = folder.path().join("report.html");
    let output = evaluate(&[
        "lanczos",
        "--on",
        text(folder.path()),
        "--report",
        text(&page),
        "--crops",
        "3",
        "--crop-side",
        "32",
    ]);
    assert!(output.status.success());
    let html = std::fs::read_to_string(page).unwrap();
    // Three crops of the original, bicubic (always beside the others) and Lanczos.
    assert_eq!(html.matches("src=\"data:image/png;base64,").count(), 9);
    assert_eq!(html.matches("<figcaption>bicubic: ").count(), 3);
    assert!(html.contains("a&amp;b") && !html.contains("a&b"));
    assert!(!html.contains("<script") && !html.contains("http"));
}

#[test]
fn what_cannot_be_judged_is_said_plainly() {
    let empty = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (vec!["bicubic", "--on", text(empty.path())], "holds no picture"),
        (vec!["bicubic", "--on", "/no/such/folder"], "cannot list /no/such/folder"),
        (vec!["bicubic", "bicubic", "--on", text(empty.path())], "twice"),
    ] {
        let output = evaluate(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(words), "{error}");
    }
}

// A chain whose convolutions are all zero is its base, which is bilinear, and a grey picture is luma alone.
#[test]
fn a_generator_that_is_its_base_scores_as_bilinear() {
    use upres::host::chain::{Chain, Layer, Recipe};
    use upres::host::export::Artefact;
    let layer =
        |inputs, outputs| Layer { inputs, outputs, weight: vec![0.0; inputs * outputs * 9], bias: vec![0.0; outputs] };
    let chain = Chain { scale: 2, layers: vec![layer(1, 8), layer(8, 4)] };
    let grey = image::DynamicImage::from(textured(90, 70, 5)).into_luma8();
    let folder = folder_with(&[]);
    grey.save(folder.path().join("HR/grey.png")).unwrap();
    let model =
        Artefact::float(&chain, &Recipe::new(), "base").unwrap().save(&folder.path().join("base.onnx")).unwrap();
    // The factor is the generator's, and the name is its card's.
    let report = json(&[text(&model), "bilinear", "nearest", "--on", text(folder.path())]);
    let mean = &report["sets"][0]["mean"];
    let score = |method: &str| mean[method]["psnr_y"].as_f64().unwrap();
    assert_eq!(report["sets"][0]["scale"], 2);
    assert!((score("base") - score("bilinear")).abs() < 0.01 && score("bilinear") > score("nearest") + 0.1, "{mean}");
}

/// A folder that holds made-up statistics of photographs under the name of NIQE's; tests/data/niqe.py wrote them.
fn weights() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made_up = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/made_up.npz");
    std::fs::copy(made_up, folder.path().join("niqe_pris_params.npz")).unwrap();
    folder
}

// judge.py baseline --kind bicubic --in SET/LR_x4 --out OUT && judge.py score --hr SET/HR --sr OUT --no-lpips --json J
#[test]
fn niqe_is_that_of_the_judge() {
    let Some(data) = skip::folder("UPRES_DATA", "shared/data") else { return };
    let weights = data.join("weights");
    let report = json(&["bicubic", "--on", text(&data.join("bench/Set5")), "--weights", text(&weights)]);
    let set = &report["sets"][0];
    let near = |scores: &Value, expected: f64| {
        let got = scores["bicubic"]["niqe"].as_f64().unwrap();
        assert!((got / expected - 1.0).abs() < 1e-3, "{got}, not {expected}");
    };
    near(&set["pictures"][0]["scores"], 7.422_396_051_493_06);
    near(&set["mean"], 8.428_455_070_345_57);
}

// Printed by tests/data/niqe.py: waves and noise of 200 x 300 beside the statistics of the authors.
#[test]
fn niqe_of_a_made_picture_is_that_of_the_judge() {
    let Some(data) = skip::folder("UPRES_DATA", "shared/data") else { return };
    let niqe = upres::host::judge::Niqe::open(&data.join("weights/niqe_pris_params.npz")).unwrap();
    let sample = |i: usize| {
        let (x, y, c) = (i / 3 % 200, i / 600, i % 3);
        let noise = ((x * x * 31 + y * y * 17 + x * y * 7 + c * 59) * 2_654_435_761 % (1 << 32)) >> 27;
        ((x / 3 * (1 + c) + y / 2 * 3 + x * y / 40) % 200 + noise) as u8
    };
    let size = upres::geometry::Size::new(200, 300);
    let picture = upres::evaluate::Picture { size, rgb: (0..size.area() * 3).map(sample).collect() };
    let got = niqe.measure(&picture).unwrap();
    assert!((got / 17.283_392_287_548_434 - 1.0).abs() < 1e-9, "{got}");
}

#[test]
fn judges_speak_in_tables_json_and_pages_where_their_weights_are_given() {
    let folder = folder_with(&[("a.png", textured(160, 120, 1)), ("small.png", textured(64, 64, 4))]);
    let weights = weights();
    let page = folder.path().join("report.html");
    let with = ["lanczos", "--on", text(folder.path()), "--weights", text(weights.path()), "--report", text(&page)];
    let report = json(&with);
    let set = &report["sets"][0];
    let of = |scores: &Value| scores["lanczos"]["niqe"].as_f64();
    assert_eq!(of(&set["pictures"][1]["scores"]), None);
    assert!(of(&set["mean"]).is_some_and(|niqe| Some(niqe) == of(&set["pictures"][0]["scores"])), "{set}");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("<th>NIQE ↓") && html.contains("<td>-"), "{html}");
    let printed = evaluate(&with).stdout;
    assert!(String::from_utf8_lossy(&printed).contains("PSNR-Y   SSIM-Y     NIQE"));
    let without = evaluate(&with[..3]).stdout;
    assert!(!String::from_utf8_lossy(&without).contains("NIQE"));
}

#[test]
fn cards_carry_what_judges_say() {
    use upres::host::chain::{Chain, Layer, Recipe};
    use upres::host::export::Artefact;
    let layer = Layer { inputs: 1, outputs: 4, weight: vec![0.0; 36], bias: vec![0.0; 4] };
    let folder = folder_with(&[("a.png", textured(192, 192, 1))]);
    let model = folder.path().join("base.onnx");
    let chain = Chain { scale: 2, layers: vec![layer] };
    Artefact::float(&chain, &Recipe::new(), "base").unwrap().save(&model).unwrap();
    let weights = weights();
    let report = json(&[text(&model), "--on", text(folder.path()), "--weights", text(weights.path()), "--write-card"]);
    let set = &report["sets"][0];
    let card = Artefact::open(&model).unwrap().card;
    let scores = &card.scores[set["set"].as_str().unwrap()];
    assert_eq!(scores.keys().collect::<Vec<_>>(), ["niqe", "psnr_y", "ssim_y"]);
    assert!((scores["niqe"] - set["mean"]["base"]["niqe"].as_f64().unwrap()).abs() < 0.000_51);
}

#[test]
fn weights_that_are_none_are_refused() {
    let folder = folder_with(&[("a.png", textured(64, 64, 1))]);
    let refused = |words: &str| {
        let output = evaluate(&["bicubic", "--on", text(folder.path()), "--weights", text(folder.path())]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(words), "{error}");
    };
    refused("holds no weights of a measure (name a folder with niqe_pris_params.npz");
    std::fs::write(folder.path().join("niqe_pris_params.npz"), b"nothing of the kind").unwrap();
    refused("niqe_pris_params.npz: this is not an .npz file, or it is cut off");
}
