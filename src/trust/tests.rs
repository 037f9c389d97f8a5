#![allow(clippy::unwrap_used)]

use super::*;

/// What the ordinary minisign program made; `tests/data/minisign.sh` asked it to.
const MODEL: &[u8] = include_bytes!("../../tests/data/int8.onnx");
const OURS: &str = include_str!("../../tests/data/minisign-ours.pub");
const THEIRS: &str = include_str!("../../tests/data/minisign-theirs.pub");
const GOOD: &[u8] = include_bytes!("../../tests/data/minisign-good.minisig");
const LEGACY: &[u8] = include_bytes!("../../tests/data/minisign-legacy.minisig");
const BY_THEM: &[u8] = include_bytes!("../../tests/data/minisign-theirs.minisig");

fn line(key: &str) -> &str {
    key.lines().nth(1).unwrap()
}

fn trust(keys: &[&str]) -> Trust {
    Trust::new(keys).unwrap()
}

#[test]
fn both_forms_of_a_good_signature_are_good_with_id_and_comment_as_minisign_shows_them() {
    let trust = trust(&[line(THEIRS), line(OURS)]);
    let shown = OURS.lines().next().unwrap().rsplit(' ').next().unwrap();
    for (signature, said) in [(GOOD, "a comment that is signed"), (LEGACY, "made the old way")] {
        let Verdict::Good { key, comment } = trust.judge(MODEL, Some(signature)) else { panic!("{said}") };
        assert_eq!((key.to_string().as_str(), comment.as_str()), (shown, said));
    }
}

#[test]
fn every_changed_byte_of_the_model_or_of_what_is_signed_is_noticed() {
    let trust = trust(&[line(OURS)]);
    for at in (0..MODEL.len()).step_by(997) {
        let mut changed = MODEL.to_vec();
        changed[at] ^= 1;
        assert!(matches!(trust.judge(&changed, Some(GOOD)), Verdict::Bad(_)), "byte {at}");
        assert!(matches!(trust.judge(&changed, Some(LEGACY)), Verdict::Bad(_)), "byte {at}");
    }
    assert!(matches!(trust.judge(&MODEL[..MODEL.len() - 1], Some(GOOD)), Verdict::Bad(_)));
    let first = GOOD.iter().position(|&b| b == b'\n').unwrap() + 1;
    for at in first..GOOD.len() - 1 {
        let mut changed = GOOD.to_vec();
        changed[at] ^= 1;
        let verdict = trust.judge(MODEL, Some(&changed));
        assert!(!matches!(verdict, Verdict::Good { .. } | Verdict::Missing), "byte {at}: {verdict}");
    }
}

#[test]
fn signatures_are_told_apart_by_what_is_wrong_with_them() {
    let trust = trust(&[line(OURS)]);
    assert!(matches!(trust.judge(MODEL, Some(BY_THEM)), Verdict::Foreign(_)));
    assert_eq!(trust.judge(MODEL, None), Verdict::Missing);
    let huge = [GOOD, &vec![b'\n'; 5000]].concat();
    for (damaged, part) in [
        (huge.as_slice(), "longer than 4096"),
        (b"", "minisign"),
        (b"\xff\n\xfe\n\n", "minisign"),
        (&GOOD[..GOOD.len() / 2], "minisign"),
    ] {
        let Verdict::Damaged(why) = trust.judge(MODEL, Some(damaged)) else { panic!("{part}") };
        assert!(why.contains(part), "{why}");
    }
    // The same bytes under another key's number are no one's.
    let mut renamed = Trust::new(&[line(THEIRS)]).unwrap();
    renamed.keys[0].0 = trust.keys[0].0;
    assert!(!matches!(renamed.judge(MODEL, Some(GOOD)), Verdict::Good { .. }));
}

#[test]
fn keys_come_as_text_or_in_files_and_complaints_show_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let both = [file("minisign.pub", OURS), file("plain", &format!("\r\n{}\r\n", line(THEIRS)))];
    assert_eq!(Trust::new(&both).unwrap(), trust(&[line(OURS), line(THEIRS)]));
    let secret = include_str!("../../tests/data/minisign-ours.key");
    for (wrong, part) in [
        (String::new(), "no key"),
        ("RWQ".to_owned(), "no file of this name"),
        ("x".repeat(5000), "no key"),
        (line(secret).to_owned(), "no key"),
        (folder.path().to_str().unwrap().to_owned(), "no ordinary file"),
        (file("none", "hello\n"), "holds no key"),
        (file("two", &format!("{}\n{}\n", line(OURS), line(THEIRS))), "holds no key"),
        (file("secret", secret), "secret key"),
    ] {
        let error = Trust::new(&[&wrong]).unwrap_err();
        let text = error.to_string();
        assert!(error.kind() == Kind::Usage && text.contains(part) && text.contains("RWQf6LRCGA9i"), "{text}");
        assert!(!text.contains(&line(secret)[..100]), "a secret was shown");
    }
}

#[test]
fn without_keys_all_pass_and_with_one_only_what_it_signed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let signed = trust(&[line(OURS)]);
    let says = |what: &str| signed.check(&path, MODEL).unwrap_err().to_string().contains(what);
    assert!(Trust::default().check(&path, MODEL).is_ok() && says("not signed"));
    let place = beside(&path);
    assert_eq!(place, folder.path().join("model.onnx.minisig"));
    std::fs::write(&place, GOOD).unwrap();
    assert!(signed.check(&path, MODEL).is_ok());
    std::fs::write(&place, BY_THEM).unwrap();
    assert!(says("not among the trusted"));
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    assert!(says("no ordinary file"));
}
