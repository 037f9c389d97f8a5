//! Room for recordings and snapshots.

use super::system::unit_file;
use super::{Case, Finding};
use std::io::ErrorKind;
use std::path::Path;

/// What systemd makes when the service starts (`StateDirectory=`), the outermost first.
pub(super) const MADE: [&str; 3] = ["/var/lib/upres", "/var/lib/upres/recordings", "/var/lib/upres/snapshots"];

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

/// Whether `path` lies where the service alone may look: systemd keeps it for the user that the service runs as.
pub(super) fn service(path: &Path) -> bool {
    path.starts_with(MADE[0])
}

/// What is the service's own, and cannot be looked into.
fn private(what: &str) -> Finding {
    Finding::note("disk", format!("{what} is the service's own, so this user cannot look into it"))
        .fix("sudo upres doctor sees it; where you start upres live yourself, name a folder of your own")
}

/// Whether `folder` can take `bytes`, those included that stand there already.
fn folder_of(case: &Case, key: &str, folder: &Path, bytes: u64) -> Finding {
    let (tree, shown) = (case.tree, folder.display());
    match tree.look(folder, &case.user) {
        Err(ErrorKind::PermissionDenied) if service(folder) => return private(&format!("{shown} ({key})")),
        Err(ErrorKind::PermissionDenied) => {
            return Finding::trouble("disk", format!("{shown} ({key}) stands where this user may not look"))
                .fix(format!("name another, or ask as the user that upres runs as: namei -l {shown} tells who may"));
        }
        Err(_) if MADE.iter().any(|own| folder == Path::new(own)) && unit_file(tree).is_some() => {
            return Finding::note("disk", format!("{shown} ({key}) is made when the service starts"));
        }
        Err(_) => {
            return Finding::trouble("disk", format!("{shown} ({key}) is not there"))
                .fix(format!("sudo mkdir -p {shown}, and give it to the user that upres runs as"));
        }
        Ok(metadata) if !metadata.is_dir() => {
            return Finding::trouble("disk", format!("{shown} ({key}) is no folder")).fix("name another");
        }
        Ok(_) => {}
    }
    if tree.may_use(folder, &case.user) == Some(false) {
        if service(folder) && unit_file(tree).is_some() {
            return private(&format!("{shown} ({key})"));
        }
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
