#![allow(clippy::unwrap_used)]

use super::super::assemble::tests::y4m;
use super::*;
use std::fs;

fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("video.y4m");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn frames(file: &mut File, most: usize) -> Vec<(u8, Duration)> {
    let (mut shot, mut found) = (Shot::empty(), Vec::new());
    while found.len() < most {
        if file.next(&mut shot).unwrap() == Next::Frame {
            assert_eq!(shot.number, found.len() as u64);
            found.push((shot.bytes[0], shot.taken));
        }
    }
    found
}

#[test]
fn a_file_comes_over_and_over_at_its_own_rate() {
    let (_folder, path) = file(&y4m("YUV4MPEG2 W4 H2 F50:1 Cmono", 3));
    let mut file = File::open(&path).unwrap();
    let found = frames(&mut file, 7);
    assert_eq!(found.iter().map(|(byte, _)| *byte).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2, 0]);
    // Six gaps of 20 ms; a busy machine may be late, never early.
    assert!(found[6].1.saturating_sub(found[0].1) >= Duration::from_millis(115), "{found:?}");
    assert_eq!(file.format().rate, Some(Ratio { num: 50, den: 1 }));
}

#[test]
fn rates_that_are_silent_or_absurd_are_borne() {
    assert_eq!(gap(None), Duration::from_secs(1) / 30);
    assert_eq!(gap(Some(Ratio { num: 4_000_000_000, den: 1 })), Duration::from_millis(1));
    assert!(gap(Some(Ratio { num: 1, den: 4_000_000_000 })) > Duration::from_secs(3_999_999_999));
    let (_folder, path) = file(&y4m("YUV4MPEG2 W4 H2 F1:3600 Cmono", 2));
    let mut file = File::open(&path).unwrap();
    let mut shot = Shot::empty();
    assert_eq!(file.next(&mut shot).unwrap(), Next::Frame);
    assert_eq!(file.next(&mut shot).unwrap(), Next::Nothing, "the next frame is an hour away");
}

#[test]
fn a_file_that_is_cut_off_is_shown_up_to_there() {
    let mut bytes = y4m("YUV4MPEG2 W4 H2 F500:1 Cmono", 3);
    bytes.truncate(bytes.len() - 3);
    let (_folder, path) = file(&bytes);
    let found = frames(&mut File::open(&path).unwrap(), 5);
    assert_eq!(found.iter().map(|(byte, _)| *byte).collect::<Vec<_>>(), [0, 1, 0, 1, 0]);
}

#[test]
fn a_file_without_a_frame_and_one_that_changed_are_errors_not_loops() {
    let (_folder, path) = file(&y4m("YUV4MPEG2 W4 H2 F500:1 Cmono", 0));
    let mut file = File::open(&path).unwrap();
    assert!(file.next(&mut Shot::empty()).unwrap_err().to_string().contains("has no frame"));
    fs::write(&path, y4m("YUV4MPEG2 W4 H2 F500:1 Cmono", 1)).unwrap();
    let mut file = File::open(&path).unwrap();
    assert_eq!(file.next(&mut Shot::empty()).unwrap(), Next::Frame);
    fs::write(&path, "something else\n").unwrap();
    assert_eq!(file.next(&mut Shot::empty()).unwrap_err().kind(), Kind::Input);
}

#[test]
fn what_is_no_video_is_told_before_the_work() {
    let (folder, path) = file(&y4m("YUV4MPEG2 W4 H2 C420p10", 1));
    assert!(File::is_y4m(&path).unwrap());
    assert!(File::open(&path).unwrap_err().to_string().contains("-pix_fmt yuv420p"));
    let picture = folder.path().join("picture.mp4");
    fs::write(&picture, b"P5 1 1 255\n7").unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    for (path, kind, part) in [
        (picture.as_path(), Kind::Usage, "upres upscale"),
        (folder.path(), Kind::Usage, "is no file"),
        (Path::new("/nowhere"), Kind::Io, "cannot read /nowhere"),
        (&empty, Kind::Input, "is empty"),
    ] {
        let error = File::is_y4m(path).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let other = folder.path().join("other.mp4");
    fs::write(&other, "whatever this is").unwrap();
    assert!(!File::is_y4m(&other).unwrap());
}
