//! The generators against what their cards say.

use super::disk::service;
use super::{Case, Finding};
use crate::zoo::Zoo;
use std::io::ErrorKind;

pub(super) fn digests(case: &Case) -> Vec<Finding> {
    let mut closed = Vec::new();
    let folder = case.asked.models_dir.as_ref().filter(|folder| {
        let private = service(folder) && case.tree.look(folder, &case.user).err() == Some(ErrorKind::PermissionDenied);
        closed.extend(private.then(|| {
            let found = format!("{} is the service's own, so this user cannot look into it", folder.display());
            Finding::note("models", found).fix("sudo upres doctor sees it")
        }));
        !private
    });
    let folder = folder.map(|folder| case.tree.path(folder));
    let fix = "'upres verify' tells more; copy the model again, or export it again, so that file and card agree";
    let zoo = Zoo::new(folder).trusting(case.asked.trust.clone());
    let places = match zoo.places() {
        Ok(places) => places,
        Err(error) => {
            let found = format!("the folder of models cannot be listed: {error}");
            return vec![Finding::trouble("models", found).fix("name a folder that is there (models-dir), or none")];
        }
    };
    let (mut findings, mut whole, mut silent) = (closed, 0, Vec::new());
    for place in places {
        let seen = zoo.examine(&place);
        match seen.digest_agrees {
            _ if !seen.is_good() => {
                let found = format!("{}: {}", place.name, seen.findings.join("; "));
                findings.push(Finding::trouble("models", found).fix(fix));
            }
            Some(_) => whole += 1,
            None => silent.push(place.name),
        }
    }
    if !silent.is_empty() {
        let found = format!("nothing tells what {} should be: no card with a digest stands beside", silent.join(", "));
        findings.push(Finding::note("models", found));
    }
    findings.push(Finding::ok("models", format!("{whole} are what their cards say")));
    findings
}
