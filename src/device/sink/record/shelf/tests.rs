#![allow(clippy::unwrap_used)]

use super::*;
use std::time::{Duration, UNIX_EPOCH};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(951_782_400 + seconds)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn write(folder: &Path, name: &str, bytes: usize) {
    fs::write(folder.join(name), vec![1; bytes]).unwrap();
}

#[test]
fn only_our_names_are_ours() {
    for name in [
        "upres-20000229-000000.mkv",
        "upres-20000229-000000.part.mkv",
        "upres-20000229-000000_000002.y4m",
        "upres-99991231-235959_999999.part.y4m",
    ] {
        assert_eq!(Name::parse(name).unwrap().text(), name);
    }
    for name in [
        "",
        "upres-",
        "holiday.mkv",
        "upres-holiday.mkv",
        "upres-20000229-000000",
        "upres-20000229-000000.mp4",
        "upres-20000229-000000.mkv.bak",
        "Upres-20000229-000000.mkv",
        "upres-20000229-00000a.mkv",
        "upres-2000229-000000.mkv",
        "upres-20000229-000000_2.mkv",
        "upres-20000229-000000_000001.mkv",
        "upres-20000229-000000_00000x.mkv",
        "upres-20000229-000000_+00002.mkv",
        "upres-20000229-000000.part.part.mkv",
        "upres-20000229-000000-123.jpg",
        "upres-٠٠٠٠-000000.mkv",
    ] {
        assert_eq!(Name::parse(name), None, "{name}");
    }
}

#[test]
fn names_sort_by_date_whatever_the_clock_does_and_nothing_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut shelf = Shelf::open(folder.path(), 1 << 30).unwrap();
    let mut kept = Vec::new();
    // On, twice the same second, back by an hour, and on.
    for seconds in [0, 60, 60, 60, 0, 59, 61] {
        let part = shelf.begin("mkv", at(seconds)).unwrap();
        fs::write(&part.path, format!("{seconds}")).unwrap();
        kept.push(shelf.keep(part).unwrap());
    }
    let text = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let given: Vec<String> = kept.iter().map(text).collect();
    let mut sorted = given.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(given, sorted);
    assert_eq!(given, names(folder.path()));
    assert_eq!(given[0], "upres-20000229-000000.mkv");
    assert_eq!(given[5], "upres-20000229-000100_000005.mkv");
    assert_eq!(fs::read(&kept[1]).unwrap(), b"60");
}

#[test]
fn a_name_that_is_taken_meanwhile_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut shelf = Shelf::open(folder.path(), 1 << 30).unwrap();
    let part = shelf.begin("mkv", at(0)).unwrap();
    write(folder.path(), "upres-20000229-000000.mkv", 3);
    assert!(shelf.keep(part).unwrap().ends_with("upres-20000229-000000_000002.mkv"));
    assert_eq!(fs::read(folder.path().join("upres-20000229-000000.mkv")).unwrap(), [1; 3]);
    // One kind's name keeps the other's free for nobody.
    assert!(shelf.begin("y4m", at(0)).unwrap().path.ends_with("upres-20000229-000000_000003.part.y4m"));
}

#[test]
fn what_an_earlier_run_left_is_kept_and_what_another_writes_is_left() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "upres-20000101-000000.part.mkv", 9);
    write(folder.path(), "upres-20000102-000000.part.y4m", 8);
    write(folder.path(), "upres-20000103-000000.part.mkv", 0);
    write(folder.path(), "upres-20000104-000000.mkv", 7);
    write(folder.path(), "upres-20000104-000000.part.mkv", 6);
    write(folder.path(), "other.part.mkv", 5);
    let mut busy = Shelf::open(folder.path(), 1 << 30).unwrap();
    let part = busy.begin("mkv", at(0)).unwrap();
    fs::write(&part.path, "being written").unwrap();
    let shelf = Shelf::open(folder.path(), 1 << 30).unwrap();
    assert_eq!(
        names(folder.path()),
        [
            "other.part.mkv",
            "upres-20000101-000000.mkv",
            "upres-20000102-000000.y4m",
            "upres-20000104-000000.mkv",
            "upres-20000104-000000_000002.mkv",
            "upres-20000229-000000.part.mkv",
        ]
    );
    assert_eq!(shelf.finished.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(), [9, 8, 7, 6]);
    drop(part);
    Shelf::open(folder.path(), 1 << 30).unwrap();
    assert!(folder.path().join("upres-20000229-000000.mkv").exists(), "its writer is gone");
}

#[test]
fn the_oldest_of_ours_go_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    for (day, bytes) in [(1, 100), (2, 100), (3, 100)] {
        write(folder.path(), &format!("upres-2000010{day}-000000.mkv"), bytes);
    }
    let foreign = ["a.mkv", "upres-0.mkv", "upres-20000101-000000-000.jpg", "zz"];
    for name in foreign {
        write(folder.path(), name, 1000);
    }
    fs::create_dir(folder.path().join("upres-19990101-000000.mkv")).unwrap();
    let mut shelf = Shelf::open(folder.path(), 350).unwrap();
    shelf.make_room(50).unwrap();
    assert_eq!(shelf.finished.len(), 3, "all fit");
    shelf.make_room(51).unwrap();
    assert!(!folder.path().join("upres-20000101-000000.mkv").exists());
    assert!(folder.path().join("upres-20000102-000000.mkv").exists());
    // Somebody deleted one by hand.
    fs::remove_file(folder.path().join("upres-20000102-000000.mkv")).unwrap();
    shelf.make_room(349).unwrap();
    assert!(shelf.finished.is_empty());
    shelf.make_room(999).unwrap();
    let mut left = names(folder.path());
    left.retain(|name| !foreign.contains(&name.as_str()));
    assert_eq!(left, ["upres-19990101-000000.mkv"]);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = Shelf::open(Path::new("/nowhere/at/all"), 1).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.to_string().contains("mkdir -p /nowhere/at/all"), "{error}");
}
