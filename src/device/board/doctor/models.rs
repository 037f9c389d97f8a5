//! The generators against what their cards say.

use super::disk::service;
use super::{Case, Finding};
use crate::session::Overrides;
use crate::upscale::{Generator, Interpolation};
use crate::zoo::{Place, Zoo};
use std::io::ErrorKind;
use std::path::Path;

/// Whether `path` is there, but for the service alone.
fn closed(case: &Case, path: &Path) -> Option<Finding> {
    let denied = service(path) && case.tree.look(path, &case.user).err() == Some(ErrorKind::PermissionDenied);
    denied.then(|| {
        Finding::note("models", format!("{} is the service's own, so this user cannot look into it", path.display()))
            .fix("sudo upres doctor sees it")
    })
}

/// The generators at hand, as far as this user may look.
pub(super) fn zoo(case: &Case) -> Zoo {
    let folder = case.asked.models_dir.as_ref().filter(|folder| closed(case, folder).is_none());
    Zoo::new(folder.map(|folder| case.tree.path(folder))).trusting(case.asked.trust.clone())
}

/// The generator that was named, as [`Zoo::find`] takes it: files are those of the tree. Nothing for a filter.
pub(super) fn named(case: &Case) -> Option<String> {
    let model = case.asked.model.as_deref().filter(|model| Interpolation::by_name(model, 2).is_none())?;
    let file = case.tree.path(model);
    let is_file = Path::new(model).extension().is_some_and(|end| end.eq_ignore_ascii_case("onnx"));
    let elsewhere = !case.tree.is_this_machine() && (is_file || file.join("model.onnx").is_file());
    Some(if elsewhere { file.to_string_lossy().into_owned() } else { model.to_owned() })
}

/// The factor of the generator that was named, where it can be opened.
pub(super) fn factor(case: &Case) -> Option<usize> {
    let (zoo, model) = (zoo(case), named(case)?);
    let opened = zoo.open(&model, &Overrides::default()).ok()?;
    Some(opened.card().scale)
}

/// Where the generator that was named stands, and what there is to say where it does not.
fn configured(case: &Case, zoo: &Zoo, hidden: bool) -> Result<Option<Place>, Finding> {
    let Some(model) = named(case) else { return Ok(None) };
    if let Some(closed) = case.asked.model.as_ref().and_then(|model| closed(case, Path::new(model))) {
        return Err(closed);
    }
    match zoo.find(&model) {
        Ok(place) => Ok(Some(Place { name: case.asked.model.clone().unwrap_or_default(), ..place })),
        Err(_) if hidden => Ok(None),
        Err(error) => {
            let fix = "'upres models' lists those at hand; put it into the folder of models (models-dir), or name a FILE.onnx";
            Err(Finding::trouble("models", error.to_string()).fix(fix))
        }
    }
}

pub(super) fn digests(case: &Case) -> Vec<Finding> {
    let fix = "'upres verify' tells more; copy the model again, or export it again, so that file and card agree";
    let zoo = zoo(case);
    let mut places = match zoo.places() {
        Ok(places) => places,
        Err(error) => {
            let found = format!("the folder of models cannot be listed: {error}");
            return vec![Finding::trouble("models", found).fix("name a folder that is there (models-dir), or none")];
        }
    };
    let mut findings = Vec::from_iter(case.asked.models_dir.as_deref().and_then(|folder| closed(case, folder)));
    match configured(case, &zoo, !findings.is_empty()) {
        Ok(Some(place)) if !places.contains(&place) => places.push(place),
        Ok(_) => {}
        Err(finding) => findings.push(finding),
    }
    let (mut whole, mut silent) = (0, Vec::new());
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
