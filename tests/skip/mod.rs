//! Leaving out a test whose data or program is not on this machine: allowed, unless `UPRES_SKIP=never` says otherwise.

use std::path::PathBuf;

/// Says that the test is left out.
///
/// # Panics
/// Where the gate has said that everything is there.
pub(crate) fn skip(why: &str) {
    assert!(
        std::env::var_os("UPRES_SKIP").is_none_or(|word| word != "never"),
        "nothing may be skipped here, but: {why}"
    );
    println!("skipped: {why}");
}

/// The folder that `variable` names, or `otherwise` beside the project; `None`, with a word, where it is not there.
#[allow(dead_code, reason = "not every test that skips wants a folder")]
pub(crate) fn folder(variable: &str, otherwise: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable)
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(otherwise), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    skip(&format!("no {} (set {variable})", folder.display()));
    None
}
