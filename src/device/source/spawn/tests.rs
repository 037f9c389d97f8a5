#![allow(clippy::unwrap_used)]

use super::super::assemble::tests::y4m;
use super::*;
use std::fs;

/// A shell in a program's place.
fn script(text: &str, patience: Option<Duration>) -> Spawned {
    let arguments = ["-c".into(), text.into()].to_vec();
    let launch =
        Launch { programs: vec!["/nowhere/program".into(), "/bin/sh".into()], arguments, install: "", patience };
    Spawned::start(&launch).unwrap()
}

fn wait(source: &mut Spawned, shot: &mut Shot) -> Result<Next> {
    loop {
        match source.next(shot)? {
            Next::Nothing => {}
            next => return Ok(next),
        }
    }
}

fn is_running(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    status.is_ok_and(|text| !text.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with(['Z', 'X'])))
}

#[test]
fn frames_come_and_the_last_words_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames");
    fs::write(&path, y4m("YUV4MPEG2 W4 H2 Cmono", 2)).unwrap();
    let text = format!(
        "echo first >&2; cat {}; printf 'a\\nb\\nno rtsp://me:secret@camera/\\n\\n' >&2; exit 3",
        path.display()
    );
    let mut source = script(&text, None);
    let mut shot = Shot::empty();
    for number in 0..2 {
        assert_eq!(wait(&mut source, &mut shot).unwrap(), Next::Frame);
        assert_eq!(shot.bytes, [number; 8]);
    }
    let error = wait(&mut source, &mut shot).unwrap_err();
    assert_eq!(error.to_string(), "sh ended (exit status: 3): a; b; no rtsp://camera/");
    assert_eq!(error.kind(), Kind::Io);
}

#[test]
fn a_password_with_a_quote_is_not_repeated() {
    let words = ["-c", "echo \"$0: refused\" >&2; exit 3", "rtsp://me:my'own \"secret@camera/x"];
    let arguments = words.map(OsString::from).to_vec();
    let launch = Launch { programs: vec!["/bin/sh".into()], arguments, install: "", patience: None };
    let error = wait(&mut Spawned::start(&launch).unwrap(), &mut Shot::empty()).unwrap_err();
    assert_eq!(error.to_string(), "sh ended (exit status: 3): rtsp://camera/x: refused");
}

#[test]
fn a_missing_program_says_how_to_get_it() {
    let programs = ["/nowhere/rpicam-vid", "/nowhere/libcamera-vid"].map(PathBuf::from).to_vec();
    let launch = Launch { programs, arguments: Vec::new(), install: "sudo apt install rpicam-apps", patience: None };
    let error = Spawned::start(&launch).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let text = error.to_string();
    assert_eq!(
        text,
        "/nowhere/rpicam-vid or /nowhere/libcamera-vid is not on this machine (sudo apt install rpicam-apps)"
    );
}

#[test]
fn a_program_that_complains_without_end_is_not_held_up_and_little_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames");
    fs::write(&path, y4m("YUV4MPEG2 W4 H2 Cmono", 1)).unwrap();
    let text = format!(
        "i=0; while [ $i -lt 9000 ]; do echo a line of trouble $i >&2; i=$((i+1)); done; cat {}",
        path.display()
    );
    let mut source = script(&text, None);
    assert_eq!(wait(&mut source, &mut Shot::empty()).unwrap(), Next::Frame);
    let error = wait(&mut source, &mut Shot::empty()).unwrap_err();
    assert!(error.to_string().ends_with("a line of trouble 8998; a line of trouble 8999"), "{error}");
    assert!(source.complaints.capacity() < 4 * COMPLAINTS);
}

#[test]
fn a_stuck_program_is_an_error() {
    let mut source = script("echo 'no answer' >&2; exec sleep 100", Some(Duration::from_millis(100)));
    let error = wait(&mut source, &mut Shot::empty()).unwrap_err();
    assert!(
        error.to_string().starts_with("sh has given nothing for") && error.to_string().ends_with("no answer"),
        "{error}"
    );
}

#[test]
fn nothing_is_left_running_even_of_a_program_that_will_not_end() {
    for stubborn in ["", "trap '' INT TERM PIPE;"] {
        let folder = tempfile::tempdir().unwrap();
        let (own, child) = (folder.path().join("own"), folder.path().join("child"));
        let (o, c) = (own.display(), child.display());
        let mut source =
            script(&format!("{stubborn} sleep 100 & echo $! > {c}; echo $$ > {o}; while :; do sleep 1; done"), None);
        while fs::read_to_string(&own).unwrap_or_default().is_empty() {
            assert_eq!(source.next(&mut Shot::empty()).unwrap(), Next::Nothing);
        }
        let pids = [own, child].map(|path| fs::read_to_string(path).unwrap());
        assert!(pids.iter().all(|pid| is_running(pid)));
        // Nobody asks twice: were they waited for, it would take their hundred seconds.
        drop(source);
        // The child's end is its new parent's to wait for.
        for _ in 0..100 {
            if !pids.iter().any(|pid| is_running(pid)) {
                break;
            }
            sleep(Duration::from_millis(10));
        }
        assert!(!pids.iter().any(|pid| is_running(pid)), "something is left running");
    }
}
