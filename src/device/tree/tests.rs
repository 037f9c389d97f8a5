#![allow(clippy::unwrap_used)]

use super::testing::Made;
use super::*;

#[test]
fn texts_names_and_links_are_read_as_they_are() {
    let made = Made::of(&[("/proc/device-tree/model", "Board 4\0"), ("/sys/a/one", " 17\n"), ("/sys/a/two", "")]);
    made.link("/sys/driver", "../../bus/usb/drivers/uvcvideo").file("/sys/n/video10", "").file("/sys/n/video2", "");
    let tree = made.tree();
    assert_eq!(tree.text("/proc/device-tree/model").as_deref(), Some("Board 4"));
    assert_eq!((tree.number("sys/a/one"), tree.number::<u32>("/sys/a/two")), (Some(17), None));
    assert_eq!((tree.names("/sys/a"), tree.names("/nowhere")), (vec!["one".to_owned(), "two".into()], vec![]));
    assert_eq!(tree.numbered("/sys/n", "video"), [(2, "video2".to_owned()), (10, "video10".to_owned())]);
    assert_eq!(tree.linked_name("/sys/driver").as_deref(), Some("uvcvideo"));
    assert!(!tree.is_this_machine() && Tree::default().is_this_machine());
}

#[test]
fn what_is_bent_is_bounded_or_not_read() {
    let made = Made::new();
    made.file("/huge", vec![b'a'; 1 << 20]).file("/bytes", [0xFF, 0xFE, b'x']).folder("/folder").link("/loop", "loop");
    rustix::fs::mknodat(rustix::fs::CWD, made.root().join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let tree = made.tree();
    assert_eq!(tree.text("/huge").map(|text| text.len()), Some(MOST_BYTES as usize));
    assert!(tree.text("/bytes").unwrap().ends_with('x'));
    for nothing in ["/folder", "/loop", "/pipe", "/no/such", ""] {
        assert_eq!(tree.text(nothing), None, "{nothing}");
    }
}

#[test]
fn permissions_are_those_of_owner_group_and_others() {
    let made = Made::new();
    made.user(true).device("/dev/video0").file("/dev/null", "").mode("/dev/null", 0o666).file("/dev/own", "");
    made.mode("/dev/own", 0o600);
    let tree = made.tree();
    let (member, root) = (tree.user(), User { id: 0, groups: Vec::new() });
    assert_eq!((member.id, member.groups.len()), (4242, 2));
    let may = |path: &str, user: &User| tree.may_use(path, user);
    assert_eq!((may("/dev/video0", &member), may("/dev/null", &member)), (Some(true), Some(true)));
    assert_eq!(
        (may("/dev/own", &member), may("/dev/own", &root), may("/dev/none", &root)),
        (Some(false), Some(true), None)
    );
    made.user(false);
    assert_eq!(may("/dev/video0", &tree.user()), Some(false));
    assert_eq!(tree.group("/dev/video0").as_deref(), Some("video"));
}

#[test]
fn programs_that_run_are_found_with_what_they_hold() {
    let made = Made::of(&[("/proc/17/comm", "motion\n"), ("/proc/9/comm", "sshd"), ("/proc/cpuinfo", "x")]);
    made.link("/proc/17/fd/3", "/dev/video0").file("/usr/bin/ffmpeg", "").folder("/usr/bin/perl");
    let tree = made.tree();
    assert_eq!(tree.processes().len(), 2);
    assert_eq!(tree.holders(Path::new("/dev/video0")), [(17, "motion".to_owned())]);
    assert!(tree.holders(Path::new("/dev/video1")).is_empty());
    assert!(tree.program("ffmpeg") && !tree.program("perl") && !tree.program("gst-launch-1.0"));
}

#[test]
fn links_are_followed_and_closed_folders_told_from_empty_ones() {
    let made = Made::of(&[("/dev/video0", ""), ("/closed/file", ""), ("/open/file", "")]);
    made.user(true).link("/dev/v4l/by-id/cam", "../../video0").link("/loop", "loop").mode("/closed", 0o700);
    let (tree, user) = (made.tree(), made.tree().user());
    for (path, end) in
        [("/dev/v4l/by-id/cam", "/dev/video0"), ("/dev/video0", "/dev/video0"), ("/loop", "/loop"), ("/no", "/no")]
    {
        assert_eq!(tree.resolved(path), Path::new(end), "{path}");
    }
    assert_eq!(tree.look("/closed/file", &user).err(), Some(ErrorKind::PermissionDenied));
    assert_eq!(tree.look("/closed/none", &user).err(), Some(ErrorKind::PermissionDenied));
    assert_eq!(tree.look("/open/none", &user).err(), Some(ErrorKind::NotFound));
    assert!(tree.look("/open/file", &user).is_ok() && tree.look("/closed", &user).is_ok());
    let root = User { id: 0, groups: Vec::new() };
    assert!(tree.look("/closed/file", &root).is_ok());
}
