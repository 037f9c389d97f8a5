//! `upres tune` and what later runs make of it, from outside.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod program;

use std::path::Path;
use std::process::Output;
use upres::kernel::Level;

fn upres(arguments: &[&str], profile: &Path) -> Output {
    let mut command = program::upres();
    command.args(arguments).arg("--profile").arg(profile).output().unwrap()
}

fn model_of_bench(profile: &Path) -> String {
    let done = upres(&["bench", "--json", "--size", "16x16", "--frames", "1", "--warmup", "0"], profile);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice::<serde_json::Value>(&done.stdout).unwrap()["model"].as_str().unwrap().to_owned()
}

#[test]
fn what_was_measured_is_kept_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("new").join("profile.toml");
    assert_eq!(model_of_bench(&place), "medium-x4", "without a profile the default generator runs");
    let done = upres(&["tune", "--json", "--size", "24x16", "--seconds", "0.001"], &place);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let chosen = told["profile"]["models"]["medium-x4"]["model"].as_str().unwrap();
    assert!(["medium-x4", "medium-x4-int8"].contains(&chosen));
    assert!(told["timings"].as_array().unwrap().len() >= 10);
    assert_eq!(model_of_bench(&place), chosen);
}

#[test]
fn a_profile_decides_what_runs_and_a_foreign_or_broken_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("profile.toml");
    let write = |cpu: &str, model: &str| {
        let text = format!(
            "cpu = \"{cpu}\"\nsize = \"480x270\"\n[models.medium-x4]\nmodel = \"{model}\"\nthreads = 2\nms = 1.0\n"
        );
        std::fs::write(&place, text).unwrap();
    };
    for model in ["medium-x4", "medium-x4-int8"] {
        write(Level::best().name(), model);
        assert_eq!(model_of_bench(&place), model);
    }
    write("another", "medium-x4-int8");
    assert_eq!(model_of_bench(&place), "medium-x4", "measured on another machine");
    std::fs::write(&place, "cpu = 3\n").unwrap();
    let done = upres(&["bench", "--size", "16x16"], &place);
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && told.contains("profile.toml") && told.contains("upres tune"), "{told}");
}

#[test]
fn an_unknown_level_is_refused_with_those_there_are() {
    let done = program::upres().args(["bench", "--cpu", "sse9"]).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && told.contains("sse9") && told.contains("scalar"), "{told}");
}
