//! What the service's configuration names, seen with the service's eyes: its unit lets it look at less than the user who asks.

use super::disk::MADE;
use super::system::{serves, unit_changes};
use super::{Case, Finding};
use crate::device::source::uri::SourceUri;
use std::path::{Path, PathBuf};

/// Where the service sees nothing at all (`ProtectHome=`).
const HIDDEN: [&str; 3] = ["/home", "/root", "/run/user"];

/// Everything that is named and that the service may not look at, or not write.
pub(super) fn reach(case: &Case) -> Vec<Finding> {
    if !serves(case) {
        return Vec::new();
    }
    let asked = case.asked;
    let model = asked.model.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
    let source = match asked.source.as_deref().and_then(|source| source.parse().ok()) {
        Some(SourceUri::File(path) | SourceUri::Pipe(Some(path))) => Some(path),
        _ => None,
    };
    let written = [("record", &asked.record), ("snapshots", &asked.snapshots)];
    let read = [
        ("models-dir", &asked.models_dir),
        ("model", &model),
        ("source", &source),
        ("http-token-file", &asked.token_file),
    ];
    let named = |pairs: &[(&'static str, &Option<PathBuf>)]| -> Vec<(&'static str, PathBuf)> {
        pairs.iter().filter_map(|(key, path)| Some((*key, (*path).clone()?))).collect()
    };
    let hidden = |path: &Path| HIDDEN.iter().any(|folder| path.starts_with(folder));
    let unseen = |(key, path): (&str, PathBuf)| {
        let found = format!("{} ({key}) lies where the service sees nothing", path.display());
        hidden(&path).then(|| {
            Finding::trouble("service", found)
                .fix("what it reads may lie below /etc/upres, what it writes below /var/lib/upres")
        })
    };
    let closed = |(key, path): (&str, PathBuf)| {
        let shown = path.display();
        let found = format!("{shown} ({key}) is not the service's: it writes below {} alone", MADE[0]);
        let fix = format!(
            "name {}; or give it the folder: sudo chgrp video {shown}; sudo chmod 2770 {shown}; then, by sudo systemctl edit upres-live, \
             two lines: [Service] and ReadWritePaths={shown}",
            if key == "record" { MADE[1] } else { MADE[2] }
        );
        let may = path.starts_with(MADE[0]) || hidden(&path) || given(case, &path);
        (!may).then(|| Finding::trouble("service", found).fix(fix))
    };
    let all = named(&written).into_iter().chain(named(&read));
    all.filter_map(unseen).chain(named(&written).into_iter().filter_map(closed)).collect()
}

/// Whether a change to the unit lets the service write to `folder`.
fn given(case: &Case, folder: &Path) -> bool {
    let texts = unit_changes(case.tree).into_iter().filter_map(|file| case.tree.text(file));
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).any(|line| {
        let Some((key, paths)) = line.split_once('=') else { return false };
        let paths = || paths.split([' ', ':']).map(|path| path.trim_start_matches(['-', '+']));
        matches!(key.trim(), "ReadWritePaths" | "BindPaths")
            && paths().any(|path| !path.is_empty() && folder.starts_with(path))
    })
}
