#![allow(clippy::unwrap_used)]

use super::testing::{brightness, shown};
use super::*;
use crate::codec::frames::JpegDecoder;
use crate::device::shot::Shown;
use crate::error::Kind;
use crate::y4m::Reader;
use std::fs;
use std::path::Path;

fn options(folder: &Path) -> RecordOptions {
    RecordOptions::new(folder.to_path_buf())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn frame(number: u64, ms: u64) -> Arc<Shown> {
    Arc::new(shown(32, 24, number, ms))
}

/// The elements of a Matroska file, as far as they are whole: a small reader, so that the writer is not its own judge alone
/// (tests/record.rs asks ffmpeg).
fn elements(bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(&first) = bytes.get(at) {
        let long = first.leading_zeros() as usize + 1;
        let Some(id) = bytes.get(at..at + long) else { break };
        let id = id.iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
        let Some(length) = bytes.get(at + long..at + long + 8) else { break };
        let length = u64::from_be_bytes(length.try_into().unwrap()) & ((1 << 56) - 1);
        let begin = at + long + 8;
        let end = if length == (1 << 56) - 1 { bytes.len() } else { begin + length as usize };
        let Some(contents) = bytes.get(begin..end) else { break };
        found.push((id, contents));
        at = end;
    }
    found
}

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1f43_b675;

/// Milliseconds and JPEG of every frame in whole clusters. A file that is cut off has a segment of unknown length.
fn frames(file: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    let Some((_, segment)) = elements(file).into_iter().find(|(id, _)| *id == SEGMENT) else { return found };
    for (_, cluster) in elements(segment).into_iter().filter(|(id, _)| *id == CLUSTER) {
        let parts = elements(cluster);
        assert_eq!(parts[0].0, 0xe7);
        let time = u64::from_be_bytes(parts[0].1.try_into().unwrap());
        for (id, block) in &parts[1..] {
            assert_eq!((*id, block[0], block[3]), (0xa3, 0x81, 0x80));
            found.push((time + u64::from(u16::from_be_bytes([block[1], block[2]])), block[4..].to_vec()));
        }
    }
    found
}

#[test]
fn frames_come_back_in_order_at_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::open(&options(folder.path())).unwrap();
    let times = [5000, 5033, 5067, 5900, 6000, 8500, 8500, 8490, 8600];
    for (number, ms) in times.into_iter().enumerate() {
        recorder.show(&frame(number as u64, ms)).unwrap();
    }
    assert!(files(folder.path())[0].to_str().unwrap().ends_with(".part.mkv"));
    drop(recorder);
    let files = files(folder.path());
    assert_eq!(files.len(), 1);
    assert!(!files[0].to_str().unwrap().contains(".part"));
    let found = frames(&fs::read(&files[0]).unwrap());
    // Never two at one time, never backwards.
    assert_eq!(found.iter().map(|(ms, _)| *ms).collect::<Vec<_>>(), [0, 33, 67, 900, 1000, 3500, 3501, 3502, 3600]);
    let mut planar = Vec::new();
    for (number, (_, jpeg)) in found.iter().enumerate() {
        JpegDecoder::default().decode(jpeg, 1 << 20, &mut planar).unwrap();
        assert!(planar[0].abs_diff(brightness(number as u64)) < 4, "frame {number}");
    }
}

#[test]
fn a_file_cut_at_any_byte_has_its_whole_clusters() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::open(&options(folder.path())).unwrap();
    for number in 0..8 {
        recorder.show(&frame(number, number * 500)).unwrap();
    }
    // What is on the disk at this moment is all that a power cut leaves: three clusters of two.
    let left = fs::read(&files(folder.path())[0]).unwrap();
    let whole = frames(&left);
    assert_eq!(whole.len(), 6);
    let mut most = 0;
    for cut in 0..=left.len() {
        let found = frames(&left[..cut]);
        assert!(found.len().is_multiple_of(2) && found.len() >= most, "cut at {cut}");
        assert_eq!(found, whole[..found.len()]);
        most = found.len();
    }
    recorder.idle().unwrap();
    assert_eq!(frames(&fs::read(&files(folder.path())[0]).unwrap()).len(), 8, "a rest brings the last to the disk");
    std::mem::forget(recorder);
}

#[test]
fn a_new_file_begins_with_time_size_and_another_clock() {
    let folder = tempfile::tempdir().unwrap();
    let segment = Duration::from_secs(2);
    let mut recorder = Recorder::open(&RecordOptions { segment, ..options(folder.path()) }).unwrap();
    for ms in [0, 1000, 1999, 2000, 3000] {
        recorder.show(&frame(0, ms)).unwrap();
    }
    recorder.show(&Arc::new(shown(48, 32, 0, 3100))).unwrap();
    for ms in [900_000, 100] {
        recorder.show(&Arc::new(shown(48, 32, 0, ms))).unwrap();
    }
    drop(recorder);
    let counts: Vec<usize> = files(folder.path()).iter().map(|path| frames(&fs::read(path).unwrap()).len()).collect();
    assert_eq!(counts, [3, 2, 1, 1, 1]);
}

#[test]
fn y4m_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let container = Container::Y4m;
    let mut recorder = Recorder::open(&RecordOptions { container, ..options(folder.path()) }).unwrap();
    for number in 0..5 {
        recorder.show(&frame(number, number * 33)).unwrap();
    }
    drop(recorder);
    let mut reader = Reader::new(fs::File::open(&files(folder.path())[0]).unwrap()).unwrap();
    let mut bytes = Vec::new();
    for number in 0..5 {
        assert!(reader.next_frame(&mut bytes).unwrap());
        assert_eq!((reader.header(), &bytes), (&frame(number, 0).large.header, &frame(number, 0).large.bytes));
    }
    assert!(!reader.next_frame(&mut bytes).unwrap());
}

#[test]
fn the_folder_never_has_more_than_its_quota() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("film.mkv"), vec![0; 9 << 20]).unwrap();
    fs::write(folder.path().join("upres-20000101-000000.mkv"), vec![0; 3 << 20]).unwrap();
    let (quota, container) = (LEAST_QUOTA, Container::Y4m);
    let mut recorder = Recorder::open(&RecordOptions { container, quota, ..options(folder.path()) }).unwrap();
    let own = || {
        let files = files(folder.path());
        files.iter().filter(|path| !path.ends_with("film.mkv")).map(|path| path.metadata().unwrap().len()).sum::<u64>()
    };
    for number in 0..40 {
        recorder.show(&Arc::new(shown(640, 480, number, number * 33))).unwrap();
        assert!(own() <= quota, "{} bytes after frame {number}", own());
    }
    drop(recorder);
    assert!(own() <= quota && own() > quota / 3, "{} bytes", own());
    assert!(folder.path().join("film.mkv").exists() && !folder.path().join("upres-20000101-000000.mkv").exists());
    // Small frames fit; one of more than half the quota never will.
    let mut recorder = Recorder::open(&RecordOptions { container, quota, ..options(folder.path()) }).unwrap();
    assert_eq!(recorder.show(&Arc::new(shown(1920, 1080, 0, 0))).unwrap_err().kind(), Kind::Limit);
}

#[test]
fn a_folder_that_goes_is_an_error_and_one_that_comes_back_is_used() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("recordings");
    fs::create_dir(&folder).unwrap();
    let segment = Duration::from_secs(1);
    let mut recorder = Recorder::open(&RecordOptions { segment, ..options(&folder) }).unwrap();
    recorder.show(&frame(0, 0)).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    for _ in 0..3 {
        let error = recorder.show(&frame(1, 5000)).unwrap_err();
        assert_eq!(error.kind(), Kind::Io, "{error}");
    }
    fs::create_dir(&folder).unwrap();
    recorder.show(&frame(2, 6000)).unwrap();
    drop(recorder);
    assert_eq!(frames(&fs::read(&files(&folder)[0]).unwrap()).len(), 1);
}

#[test]
fn a_file_that_cannot_grow_is_cut_to_its_whole_clusters_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::open(&options(folder.path())).unwrap();
    for number in 0..4 {
        recorder.show(&frame(number, number * 500)).unwrap();
    }
    // What a disk that filled up in the middle of a cluster leaves.
    let half = files(folder.path())[0].clone();
    let mut file = fs::File::options().append(true).open(half).unwrap();
    std::io::Write::write_all(&mut file, &[0x1f, 0x43, 0xb6, 0x75, 1, 0, 0, 0]).unwrap();
    let failed = recorder.settle(Err(Error::internal("the disk is full")));
    assert_eq!(failed.unwrap_err().kind(), Kind::Internal);
    let kept = files(folder.path());
    assert!(kept.len() == 1 && !kept[0].to_str().unwrap().contains(".part"), "{kept:?}");
    let bytes = fs::read(&kept[0]).unwrap();
    assert_eq!(frames(&bytes).len(), 2);
    assert!(!bytes.ends_with(&[0x1f, 0x43, 0xb6, 0x75, 1, 0, 0, 0]));
    recorder.show(&frame(9, 3000)).unwrap();
    // Nothing of this one is on the disk yet: a disk that stays full must not fill with headers.
    assert!(recorder.settle(Err(Error::internal("the disk is full"))).is_err());
    assert_eq!(files(folder.path()), kept);
    recorder.show(&frame(9, 4000)).unwrap();
    drop(recorder);
    assert_eq!(files(folder.path()).len(), 2, "and it goes on");
}

#[test]
fn options_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = options(folder.path());
    for bad in [
        RecordOptions { segment: Duration::from_millis(999), ..good.clone() },
        RecordOptions { quota: LEAST_QUOTA - 1, ..good.clone() },
        RecordOptions { quality: 0, ..good.clone() },
        RecordOptions { quality: 101, ..good.clone() },
    ] {
        assert_eq!(Recorder::open(&bad).err().unwrap().kind(), Kind::Usage);
    }
    assert!("avi".parse::<Container>().is_err());
    assert_eq!("mkv".parse::<Container>().unwrap(), Container::Mkv);
}
