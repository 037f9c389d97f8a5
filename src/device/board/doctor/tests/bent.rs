//! Trees that nobody's machine has.

#![allow(clippy::unwrap_used)]

use super::*;
use std::path::PathBuf;

/// All plain files of a made-up machine.
fn files(made: &Made) -> Vec<String> {
    let mut folders = vec![made.root().to_path_buf()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if entry.file_type().unwrap().is_file() {
                found.push(format!("/{}", path.strip_prefix(made.root()).unwrap().display()));
            }
        }
    }
    found.sort();
    found
}

fn everything() -> Asked {
    Asked {
        configuration: Some("/etc/upres/live.toml".into()),
        source: Some("v4l2:/dev/video0".into()),
        screen: Some("tft:ili9341,spi=/dev/spidev0.0,dc=25".into()),
        camera_out: Some("/dev/video10".into()),
        http: Some("0.0.0.0:1".into()),
        token_file: Some("/etc/token".into()),
        record: Some(PathBuf::from("../../..")),
        snapshots: Some("/proc".into()),
        scale: Some(f64::NAN),
        hot: Some(f64::NAN),
        quota: u64::MAX,
        ..Asked::default()
    }
}

#[test]
fn an_empty_tree_is_told_of_without_a_crash() {
    let made = Made::new();
    for asked in [asked(), everything()] {
        let found = look(&made, &asked);
        assert!(found.len() > 10, "{found:?}");
    }
}

#[test]
fn each_file_may_be_huge_bytes_a_folder_or_gone() {
    let made = pi_4();
    made.file("/etc/token", "0123456789abcdef").device("/dev/spidev0.0");
    let all = files(&made);
    assert!(all.len() > 25, "{all:?}");
    for path in &all {
        let before = std::fs::read(made.tree().path(path)).unwrap();
        for bytes in [vec![0xFF; 300_000], b"\0\0,-:=\n-9999999999999999999".repeat(50), Vec::new()] {
            made.without(path).file(path, bytes);
            assert!(look(&made, &everything()).len() > 10, "{path}");
        }
        made.without(path).folder(&format!("{path}/deeper"));
        assert!(look(&made, &everything()).len() > 10, "{path}");
        made.without(path);
        assert!(look(&made, &everything()).len() > 10, "{path}");
        made.file(path, before);
    }
}

#[test]
fn lines_stay_lines_whatever_names_say() {
    let made = pi_4();
    made.file("/proc/device-tree/model", "Raspberry Pi 4\n\x1b[2J\0");
    made.file("/sys/class/video4linux/video0/name", "Cam\x07era\nok       all");
    made.file("/etc/os-release", "PRETTY_NAME=\"\x1b[31mRed\"");
    made.file("/sys/class/thermal/thermal_zone0/type", "cpu\x1b[0m").file("/proc/700/comm", "labwc");
    made.file("/proc/9/comm", "mo\x1btion").link("/proc/9/fd/1", "/dev/video0");
    for finding in look(&made, &asked()) {
        assert!(!finding.found.contains(char::is_control), "{finding:?}");
    }
}
