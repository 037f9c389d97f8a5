#![allow(clippy::unwrap_used)]

use super::*;
use crate::zoo::Zoo;

const WHOLE: &str = r#"name = "mine"
description = "a board of my own"
matches = ["My Board", "me,board"]
threads = 3
hot = 70
[[models]]
up-to = "160x120"
model = "camera-x2"
[[models]]
up-to = "320x240"
model = "small-x2-int8"
[[models]]
up-to = "320x240"
model = "small-x4"
[camera]
source = "v4l2:?size=320x240&rate=15"
[display]
screen = "drm"
rotate = 90
"#;

fn machine(model: &str, compatible: &[&str]) -> Machine {
    let compatible = compatible.iter().map(|name| (*name).to_owned()).collect();
    Machine { model: model.into(), compatible, product: None }
}

#[test]
fn every_profile_is_whole_and_bears_its_name() {
    let cards = Zoo::default().list().unwrap();
    for name in names() {
        let board = Board::open(name).unwrap();
        assert_eq!(board.name, name);
        for row in &board.models {
            let entry = cards.iter().find(|entry| entry.card.name == row.model).unwrap();
            assert!(entry.card.scale >= 2, "{name}: {}", row.model);
        }
        if name != GENERIC {
            assert!(board.matches.len() > 1 && board.threads.is_some() && board.hot.is_some(), "{name}");
            let size = frame_size(board.camera.source.as_deref().unwrap()).unwrap();
            let largest = board.models.iter().map(|row| row.up_to).max().unwrap();
            assert_eq!(size, largest, "{name}: its camera is what its models are chosen for");
            assert!(text(name).unwrap().contains("not seen on a board"), "{name} must say so");
        }
    }
    let generic = Board::open(GENERIC).unwrap();
    let nothing = Board::from_toml("name = \"generic\"\ndescription = \"x\"").unwrap();
    assert_eq!(Board { description: "x".into(), ..generic }, nothing, "the generic board changes nothing");
    assert_eq!(nothing.model(2.0, None), None);
}

#[test]
fn machines_are_known_by_their_own_words() {
    for (model, compatible, name) in [
        ("Raspberry Pi Zero 2 W Rev 1.0", &["raspberrypi,model-zero-2-w", "brcm,bcm2837"][..], "pi-zero-2-w"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", &["raspberrypi,3-model-b-plus", "brcm,bcm2837"], "pi-3"),
        ("Raspberry Pi 4 Model B Rev 1.4", &["raspberrypi,4-model-b", "brcm,bcm2711"], "pi-4"),
        ("Raspberry Pi 400 Rev 1.0", &[], "pi-4"),
        ("Raspberry Pi Compute Module 4 Rev 1.0", &[], "pi-4"),
        ("A carrier of its own", &["maker,carrier", "brcm,bcm2711"], "pi-4"),
        ("Raspberry Pi 5 Model B Rev 1.0", &["raspberrypi,5-model-b", "brcm,bcm2712"], "pi-5"),
        ("Raspberry Pi 500 Rev 1.0", &[], "pi-5"),
        (
            "NVIDIA Jetson Nano Developer Kit",
            &["nvidia,p3450-0000", "nvidia,jetson-nano", "nvidia,tegra210"],
            "jetson-nano",
        ),
        ("NVIDIA Jetson Orin Nano Developer Kit", &["nvidia,p3767-0005", "nvidia,tegra234"], "jetson-orin-nano"),
        ("NVIDIA Jetson Orin NX Engineering Reference Developer Kit", &["nvidia,tegra234"], "jetson-orin-nano"),
        ("NVIDIA Jetson AGX Orin Developer Kit", &["nvidia,p3701-0000", "nvidia,tegra234"], "jetson-agx"),
        ("Jetson-AGX", &["nvidia,p2972-0000", "nvidia,tegra194"], "jetson-agx"),
        // The same processor as an AGX Xavier, with six cores.
        (
            "NVIDIA Jetson Xavier NX Developer Kit",
            &["nvidia,p3449-0000+p3668-0000", "nvidia,p3509-0000+p3668-0000", "nvidia,tegra194"],
            GENERIC,
        ),
        ("Raspberry Pi 2 Model B Rev 1.1", &["raspberrypi,2-model-b", "brcm,bcm2836"], GENERIC),
        ("linux,dummy-virt", &["linux,dummy-virt"], GENERIC),
        ("", &[], GENERIC),
    ] {
        assert_eq!(Board::of(&machine(model, compatible)).unwrap().name, name, "{model}");
    }
}

#[test]
fn the_model_is_chosen_by_pixels_and_by_factor() {
    let board = Board::from_toml(WHOLE).unwrap();
    assert_eq!((board.threads, board.hot, board.display.rotate), (Some(3), Some(70.0), Some(90)));
    let size = |text: &str| Some(text.parse::<Size>().unwrap());
    for (scale, frame, model) in [
        (2.0, size("160x120"), Some("camera-x2")),
        (1.5, size("120x160"), Some("camera-x2")),
        (2.0, size("176x144"), Some("small-x2-int8")),
        (2.0, size("640x480"), Some("small-x2-int8")),
        (2.0, None, Some("small-x2-int8")),
        (2.5, size("160x120"), Some("small-x4")),
        (4.0, Some(Size::new(usize::MAX, usize::MAX)), Some("small-x4")),
        (8.0, size("160x120"), None),
    ] {
        assert_eq!(board.model(scale, frame), model, "{frame:?} x{scale}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_line() {
    for (from, to, parts) in [
        ("threads = 3", "threads = 0", ["line 4 of this board profile", "0 threads"]),
        ("threads = 3", "thread = 3", ["line 4", "thread"]),
        ("hot = 70", "hot = 1000", ["line 5", "1000 degrees"]),
        ("hot = 70", "hot = nan", ["line 5", "degrees"]),
        ("\"camera-x2\"", "\"camera-x3\"", ["line 8", "no model 'camera-x3'"]),
        ("\"160x120\"", "\"small\"", ["line 7", "'small' is not a size"]),
        ("v4l2:?size", "v4l2:?colour", ["line 16", "colour"]),
        ("v4l2:?size=320x240&rate=15", "/no/such/file", ["line 16", "no source"]),
        ("rotate = 90", "rotate = 45", ["line 19", "45 degrees"]),
        ("\"drm\"", "\"hologram\"", ["line 18", "no screen"]),
        ("name = \"mine\"", "name = \"My Board\"", ["line 1", "small letters"]),
        ("description = \"a board of my own\"", "", ["cannot be followed", "description"]),
        ("rotate = 90", "[sound]\nvolume = 3", ["line 19", "sound"]),
        ("\"160x120\"", "\"320x240\"", ["line", "'small-x2-int8' up to 320x240 would never be used"]),
        ("\"My Board\"", "\"\"", ["line 3", "one line"]),
    ] {
        assert!(WHOLE.contains(from));
        let error = Board::from_toml(&WHOLE.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)) && !error.contains('\n'), "{to}: {error}");
    }
}

#[test]
fn names_and_files_are_opened_and_others_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(&file, WHOLE).unwrap();
    assert_eq!(Board::open(file.to_str().unwrap()).unwrap().name, "mine");
    fs::write(&file, "name = 3").unwrap();
    let error = Board::open(file.to_str().unwrap()).unwrap_err().to_string();
    assert!(error.contains("mine.toml: line 1"), "{error}");
    fs::write(&file, vec![b'#'; 100_000]).unwrap();
    assert!(Board::open(file.to_str().unwrap()).unwrap_err().to_string().contains("65536 bytes"));
    assert!(Board::open("pi-6").unwrap_err().to_string().contains("pi-5"));
    assert!(Board::open("/no/such/board.toml").unwrap_err().to_string().contains("/no/such"));
    assert!(Board::open(folder.path().to_str().unwrap()).is_err());
}

#[test]
fn the_size_of_frames_is_what_the_source_says() {
    for (source, size) in [
        ("v4l2:/dev/video0?size=320x240", Some(Size::new(320, 240))),
        ("v4l2:", None),
        ("libcamera:0?size=800x600", Some(Size::new(800, 600))),
        ("csi:", Some(Size::new(640, 480))),
        ("pattern:size=160x120", Some(Size::new(160, 120))),
        ("rtsp://camera/", None),
        ("nonsense", None),
    ] {
        assert_eq!(frame_size(source), size, "{source}");
    }
}

#[test]
fn bent_profiles_are_refused_or_read_but_never_crash() {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    let mut read = 0;
    for _ in 0..5_000 {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for _ in 0..=next() % 4 {
            let at = next() % bytes.len();
            match next() % 3 {
                0 => bytes[at] = next() as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"\"=[]{}\n#.-09ae"[next() % 14]),
            }
        }
        let board = Board::from_toml(&String::from_utf8_lossy(&bytes));
        read += usize::from(board.is_ok_and(|board| board.model(2.0, None).is_some()));
    }
    assert!(read > 50, "{read}");
}
