//! Imports look down only: words, pixels, the idea, then device or host, then the programs; and each foreign crate has an owner.

#![allow(clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules of the library by layer, the lowest first. A module may import from its own layer and those below.
const LAYERS: [&[&str]; 4] = [
    &["atomic", "card", "error", "frame", "geometry", "progress", "written"],
    &["codec", "colour", "kernel", "metric", "onnx", "resample", "sample", "y4m"],
    &["engine", "evaluate", "profile", "self_exemplar", "session", "trust", "upscale", "zoo"],
    &["device", "host"],
];

/// Foreign crates and the folders or files of `src/` that may name them. The GPU's kernel speaks candle, whose memory it runs on.
const OWNERS: [(&str, &[&str]); 26] = [
    // The engine and its kernels have a module of this name.
    ("bytes", &["device/sink/http/", "engine/recognise/", "kernel/stream/"]),
    ("candle_core", &["host/", "bin/upres-host/", "kernel/cuda.rs"]),
    ("clap", &["bin/"]),
    ("clap_complete", &["bin/"]),
    ("clap_mangen", &["bin/"]),
    ("drm", &["device/sink/screen/"]),
    ("embedded_graphics", &["sample/", "device/hud/", "device/sink/screen/"]),
    ("flate2", &["host/judge/"]),
    ("http_body_util", &["device/sink/http/"]),
    ("hyper", &["device/sink/http/"]),
    ("hyper_util", &["device/sink/http/"]),
    ("image", &["codec/"]),
    ("jpeg_encoder", &["codec/"]),
    ("linux_embedded_hal", &["device/sink/screen/"]),
    ("minisign_verify", &["trust.rs"]),
    ("mipidsi", &["device/sink/screen/"]),
    ("png", &["codec/"]),
    ("rayon", &["host/", "bin/upres-host/"]),
    ("safetensors", &["host/"]),
    ("subtle", &["device/sink/http/"]),
    ("tokio", &["device/sink/http/"]),
    ("tract_core", &["session/"]),
    ("tract_cuda", &["session/"]),
    ("tract_onnx", &["session/"]),
    ("v4l", &["device/source/camera/", "device/sink/loopback/"]),
    ("sd_notify", &["bin/upres/"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src is there") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Every source file by its path under `src/`, as its program text: comments and test code left out.
fn program() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut program = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).expect("under src").to_string_lossy().into_owned();
        if name.contains("/tests") || name.ends_with("testing.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("sources are text");
        let code = without_tests(&text);
        let lines = code.into_iter().filter(|line| !line.trim_start().starts_with("//"));
        program.push((name, lines.collect::<Vec<_>>().join("\n")));
    }
    assert!(program.len() > 50, "only {} sources were found", program.len());
    program
}

/// The lines of `text` but for each item that stands behind `#[cfg(test)]`.
fn without_tests(text: &str) -> Vec<&str> {
    let (mut lines, mut code) = (text.lines(), Vec::new());
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("#[cfg(test)]") else {
            code.push(line);
            continue;
        };
        let head = lines.by_ref().find(|line| line.ends_with([';', '{', '}', ','])).unwrap_or_default();
        if head.ends_with('{') {
            let end = format!("{indent}}}");
            lines.by_ref().find(|line| *line == end);
        }
    }
    code
}

#[test]
fn only_tests_are_left_out() {
    let text = "a\n#[cfg(test)]\nmod tests;\nb\n    #[cfg(test)]\n    #[must_use]\n    fn c(\n    ) {\n        d\n    }\n    e\n\
                #[cfg(test)]\nmod f {\n    g\n}\nh";
    assert_eq!(without_tests(text), ["a", "b", "    e", "h"]);
}

/// The modules of the library that `code` names after `crate::`, in lists as well.
fn imports(code: &str) -> Vec<&str> {
    let word = |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => names.push(&rest[..word(rest)]),
            Some(list) => {
                let list = &list[..list.find('}').unwrap_or(list.len())];
                names.extend(list.split(',').map(str::trim).map(|item| &item[..word(item)]));
            }
        }
    }
    names
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn module(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap_or_default()
}

#[test]
fn imports_look_down_only() {
    for (name, code) in program() {
        if name.starts_with("bin/") || name == "lib.rs" {
            continue;
        }
        let own = module(&name);
        let rank = layer(own).unwrap_or_else(|| panic!("{name}: give the module '{own}' a layer"));
        for import in imports(&code) {
            let Some(other) = layer(import) else { continue };
            assert!(other <= rank, "{name} looks up to '{import}'");
            assert!(other < 3 || import == own, "{name}: '{own}' names '{import}'");
        }
    }
}

#[test]
fn foreign_crates_have_one_owner() {
    for (name, code) in program() {
        for (krate, owners) in OWNERS {
            let named = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').any(|token| {
                token.strip_prefix(krate).is_some_and(|rest| rest.starts_with("::")) && !token.starts_with("crate::")
            });
            let allowed = owners
                .iter()
                .any(|owner| name.starts_with(owner) || format!("{}.rs", owner.trim_end_matches('/')) == name);
            assert!(!named || allowed, "{name} names the crate '{krate}', which belongs to {owners:?}");
        }
    }
}

#[test]
fn models_come_in_through_the_zoo_alone() {
    for (name, code) in program() {
        // What the host opens it has made, or trains from.
        if !name.starts_with("bin/upres/") && !name.starts_with("device/") {
            continue;
        }
        for way in ["TractGenerator::open", "TractGenerator::from_bytes", "onnx::load", "onnx::read"] {
            assert!(!code.contains(way), "{name} opens a model past the trusted keys: {way}");
        }
    }
}

#[test]
fn unsafe_code_stands_in_the_kernels_alone() {
    for (name, code) in program() {
        let unsafe_code =
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("allow(unsafe_code)");
        assert!(!unsafe_code || name.starts_with("kernel/"), "{name} is unsafe");
    }
}

#[test]
fn the_reader_of_imports_reads() {
    let names =
        imports("use crate::{codec, colour};\nuse crate::host::net::{A, B};\nlet x = crate::error::Error::new();");
    assert_eq!(names, ["codec", "colour", "host", "error"]);
}
