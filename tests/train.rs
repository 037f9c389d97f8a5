//! `upres-host train` from outside: killed and resumed, with any number of threads, the same weights; refusals that help.

#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use image::{Rgb, RgbImage};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

struct Desk {
    folder: TempDir,
    photographs: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let photographs = folder.path().join("photographs");
        std::fs::create_dir(&photographs).unwrap();
        for n in 0..2u32 {
            let picture = RgbImage::from_fn(64, 60, |x, y| {
                let wave = (120.0 + 90.0 * ((x * (n + 1)) as f32 / 5.0).sin() * (y as f32 / 7.0).cos()) as u8;
                Rgb([wave, wave / 2, if (x / 7 + y / 5) % 2 == 0 { 40 } else { 210 }])
            });
            picture.save(photographs.join(format!("{n}.png"))).unwrap();
        }
        Self { folder, photographs }
    }

    fn train(&self, run: &str, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upres-host"));
        command.arg("train").arg(&self.photographs).arg("--validation").arg(&self.photographs);
        command.arg("-o").arg(self.folder.path().join(run));
        let usual =
            ["--scale=2", "--channels=6", "--blocks=1", "--patch=12", "--batch=3", "--warm-up=10", "--measure=10"];
        let other = |usual: &&&str| !options.iter().any(|option| Some(*option) == usual.split('=').next());
        command.args(usual.iter().filter(other)).arg("--json").args(options);
        command
    }

    fn weights(&self, run: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(run).join("weights.safetensors")).unwrap()
    }
}

fn output(mut command: Command) -> Output {
    command.output().unwrap()
}

fn complaint(command: Command) -> String {
    let output = output(command);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_killed_run_goes_on_to_the_weights_of_one_left_alone() {
    let desk = Desk::new();
    let options = ["--steps", "600"];
    assert!(output(desk.train("whole", &options)).status.success());
    let mut child = desk.train("cut", &options).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // After the second measurement, in the middle of the run.
    let (_, second) = (lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    let second: Value = serde_json::from_str(&second).unwrap();
    assert_eq!(second["step"], 20);
    assert!(second["psnr"].as_f64().unwrap() > 5.0 && second["alive"].as_array().unwrap().len() == 2, "{second}");
    assert!(complaint(desk.train("cut", &options)).contains("--resume"), "a run is not overwritten");
    let resumed = output(desk.train("cut", &[&options[..], &["--resume"]].concat()));
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let first = String::from_utf8(resumed.stdout).unwrap().lines().next().map(str::to_string).unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    assert!((30..600).contains(&first["step"].as_u64().unwrap()), "the kill came in the middle: {first}");
    assert_eq!(desk.weights("cut"), desk.weights("whole"));
    let curve = std::fs::read_to_string(desk.folder.path().join("cut/curve.svg")).unwrap();
    assert!(curve.starts_with("<svg") && curve.contains("PSNR"));
    let page = std::fs::read_to_string(desk.folder.path().join("cut/run.html")).unwrap();
    assert_eq!((page.matches("<svg").count(), page.contains("location.reload")), (2, false), "the run has ended");
    // The events of before the kill, a mark of the resumption, and those after it.
    let events = std::fs::read(desk.folder.path().join("cut/events.out.tfevents.upres")).unwrap();
    let count = |tag: &[u8]| events.windows(tag.len()).filter(|part| *part == tag).count();
    assert!(count(b"brain.Event:2") == 1 && count(b"train/loss") >= 60 && count(b"validation/psnr") >= 60);
}

#[test]
fn the_number_of_threads_does_not_show_and_the_seed_does() {
    let desk = Desk::new();
    for (run, options) in [
        ("one", ["--threads", "1", "--seed", "3"]),
        ("three", ["--threads", "3", "--seed", "3"]),
        ("other", ["--threads", "1", "--seed", "4"]),
    ] {
        assert!(output(desk.train(run, &[&options[..], &["--steps", "20"]].concat())).status.success());
    }
    assert_eq!(desk.weights("one"), desk.weights("three"));
    assert_ne!(desk.weights("one"), desk.weights("other"));
}

#[test]
fn what_cannot_be_trained_is_refused_with_the_reason() {
    let desk = Desk::new();
    let refused = |options: &[&str]| complaint(desk.train("refused", options));
    assert!(refused(&["--patch", "64"]).contains("at least 128 pixels"), "pictures smaller than a patch");
    assert!(refused(&["--precision", "f16"]).contains("f32 or bf16"));
    assert!(refused(&["--gpus", "0"]).contains("1..=64"));
    assert!(refused(&["--gpus", "2"]).contains("a batch of 3 cannot be shared evenly by 2 GPUs"));
    if !cfg!(feature = "nccl") {
        assert!(refused(&["--gpus", "3"]).contains("--features nccl"));
    }
    assert!(refused(&["--rate", "0"]).contains("rate"));
    assert!(refused(&["--scale", "7"]).contains("2, 3 or 4"));
    assert!(refused(&["--resume"]).contains("checkpoint"));
    let nowhere = output({
        let mut command = Command::new(env!("CARGO_BIN_EXE_upres-host"));
        command.args(["train", "/no/such/folder", "-o"]).arg(desk.folder.path().join("nowhere"));
        command
    });
    assert!(!nowhere.status.success() && String::from_utf8_lossy(&nowhere.stderr).contains("/no/such/folder"));
}
