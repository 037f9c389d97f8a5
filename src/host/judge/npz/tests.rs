#![allow(clippy::unwrap_used)]

use super::*;

/// A file beside the tests; tests/data/niqe.py wrote it.
fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

#[test]
fn stored_arrays_of_numpy_are_read() {
    let npz = Npz::from_bytes(file("order.npz")).unwrap();
    let expected = Array { shape: vec![2, 3], values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0] };
    assert_eq!(npz.array("rows").unwrap(), expected);
    assert_eq!(npz.array("columns").unwrap(), expected);
    assert_eq!(npz.array("one").unwrap(), Array { shape: vec![], values: vec![7.5] });
}

#[test]
fn deflated_arrays_of_numpy_are_read() {
    let npz = Npz::from_bytes(file("made_up.npz")).unwrap();
    let window = npz.array("gaussian_window").unwrap();
    assert_eq!(window.shape, [7, 7]);
    assert!((window.values.iter().sum::<f64>() - 1.0).abs() < 1e-14);
    let mean = npz.array("mu_pris_param").unwrap();
    assert_eq!((mean.shape, mean.values[1]), (vec![1, 36], 0.3 + 7.0 / 8.0));
}

#[test]
fn what_is_not_read_is_said() {
    let npz = Npz::from_bytes(file("order.npz")).unwrap();
    let message = |name: &str| npz.array(name).unwrap_err().to_string();
    assert!(message("whole").contains("array 'whole': its values are '<i8'"), "{}", message("whole"));
    assert!(message("other").contains("no array 'other', but columns, one, rows, whole"), "{}", message("other"));
    for bytes in [&b""[..], b"PK", b"not an archive, but long enough to hold the end of one"] {
        assert!(Npz::from_bytes(bytes.to_vec()).unwrap_err().to_string().contains("not an .npz file"));
    }
}

/// Whether every array of a file can be read.
fn reads(bytes: Vec<u8>) -> bool {
    Npz::from_bytes(bytes).is_ok_and(|npz| {
        let names: Vec<&str> = npz.entries.keys().map(|name| name.trim_end_matches(".npy")).collect();
        names.len() == 3 && names.iter().all(|name| npz.array(name).is_ok())
    })
}

#[test]
fn a_file_that_is_cut_off_is_refused() {
    let whole = file("made_up.npz");
    assert!(reads(whole.clone()));
    assert!((0..whole.len()).all(|length| !reads(whole[..length].to_vec())));
}

#[test]
fn damage_never_panics_and_never_changes_a_value() {
    let whole = file("made_up.npz");
    let values = |bytes: Vec<u8>| Npz::from_bytes(bytes).ok()?.array("cov_pris_param").ok();
    let (good, mut read) = (values(whole.clone()), 0);
    // The covariance's packed bytes lie there, among which a few do not matter.
    let inside = 250..6867;
    for at in 0..whole.len() {
        for value in [0x00, 0xff, whole[at] ^ 0x10] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let got = values(bytes);
            if inside.contains(&at) && value != whole[at] {
                read += usize::from(got.is_some());
                assert!(got.is_none() || got == good, "{at}: {value}");
            }
        }
    }
    assert!(good.is_some() && read < 10, "{read}");
}

#[test]
fn descriptions_are_read_as_numpy_writes_them() {
    let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 36), }      \n";
    assert_eq!(field(text, "descr"), Some("'<f8'"));
    assert_eq!(field(text, "fortran_order"), Some("False"));
    assert_eq!(field(text, "shape").and_then(shape), Some(vec![1, 36]));
    assert_eq!((shape("(36,)"), shape("()"), shape("(-1,)"), shape("3")), (Some(vec![36]), Some(vec![]), None, None));
    assert_eq!((field("{'descr': ", "descr"), field(text, "kind")), (None, None));
}

#[test]
fn a_shape_of_more_than_there_is_is_refused() {
    let npy = |shape: &str, values: usize| {
        let text = format!("{{'descr': '<f8', 'fortran_order': True, 'shape': {shape}, }}\n");
        [&b"\x93NUMPY\x01\x00"[..], &(text.len() as u16).to_le_bytes(), text.as_bytes(), &vec![0; values * 8]].concat()
    };
    assert_eq!(array(&npy("(2, 2)", 4)).unwrap().values, [0.0; 4]);
    assert_eq!(array(&npy("(0, 2)", 0)).unwrap().values, [0.0; 0]);
    for (shape, values) in
        [("(2, 2)", 3), ("(18446744073709551615, 8)", 4), ("(2, x)", 4), ("(2, 2, 1)", 4), ("(2, 2", 4)]
    {
        assert!(array(&npy(shape, values)).is_err(), "{shape}");
    }
}
