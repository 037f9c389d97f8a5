//! The generators against what their cards say.

use super::{Case, Finding};
use crate::zoo::Zoo;

pub(super) fn digests(case: &Case) -> Vec<Finding> {
    let folder = case.asked.models_dir.as_ref().map(|folder| case.tree.path(folder));
    let fix = "copy the model again, or export it again, so that file and card agree";
    let checked = match Zoo::new(folder).digests() {
        Ok(checked) => checked,
        Err(error) => {
            let found = format!("the folder of models cannot be listed: {error}");
            return vec![Finding::trouble("models", found).fix("name a folder that is there (models-dir), or none")];
        }
    };
    let (mut findings, mut whole, mut silent) = (Vec::new(), 0, Vec::new());
    for (name, agrees) in checked {
        match agrees {
            Ok(true) => whole += 1,
            Ok(false) => silent.push(name),
            Err(error) => findings.push(Finding::trouble("models", format!("{name}: {error}")).fix(fix)),
        }
    }
    if !silent.is_empty() {
        let found = format!("nothing tells what {} should be: no card with a digest stands beside", silent.join(", "));
        findings.push(Finding::note("models", found));
    }
    findings.push(Finding::ok("models", format!("{whole} are what their cards say")));
    findings
}
