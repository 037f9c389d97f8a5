//! Room for recordings and snapshots.

use super::{Case, Finding};
use std::path::Path;

/// Free bytes below which snapshots are in danger.
const LITTLE: u64 = 100_000_000;

pub(super) fn folders(case: &Case) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(folder) = &case.asked.record {
        findings.push(folder_of(case, "record", folder, case.asked.quota));
    }
    if let Some(folder) = &case.asked.snapshots {
        findings.push(folder_of(case, "snapshots", folder, LITTLE));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("disk", "nothing is to be recorded"));
    }
    findings
}

/// Whether `folder` can take `bytes`, those included that stand there already.
fn folder_of(case: &Case, key: &str, folder: &Path, bytes: u64) -> Finding {
    let (tree, shown) = (case.tree, folder.display());
    match tree.metadata(folder) {
        None => {
            return Finding::trouble("disk", format!("{shown} ({key}) is not there"))
                .fix(format!("sudo mkdir -p {shown}, and give it to the user that upres runs as"));
        }
        Some(metadata) if !metadata.is_dir() => {
            return Finding::trouble("disk", format!("{shown} ({key}) is no folder")).fix("name another");
        }
        Some(_) => {}
    }
    if tree.may_use(folder, &case.user) == Some(false) {
        return Finding::trouble("disk", format!("{shown} ({key}) cannot be written by this user"))
            .fix(format!("sudo chown $USER {shown}; the service writes below /var/lib/upres"));
    }
    let Some(free) = tree.free(folder) else { return Finding::note("disk", format!("{shown} does not tell its room")) };
    let own = tree.names(folder).into_iter().filter(|name| name.starts_with("upres-"));
    let taken = own.filter_map(|name| tree.metadata(folder.join(name))).map(|metadata| metadata.len());
    let room = taken.fold(free, u64::saturating_add);
    let found = format!("{shown} ({key}): {} MB free, {} MB wanted", free / 1_000_000, bytes / 1_000_000);
    if room < bytes {
        return Finding::warning("disk", found).fix("make room, or take a smaller quota");
    }
    Finding::ok("disk", found)
}
