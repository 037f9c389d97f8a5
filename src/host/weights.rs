//! Trained weights from any kind of file: a merged chain, a checkpoint of training, or a network for cameras that a recipe
//! trained.

use crate::error::{Kind, Result};
use crate::host::chain::{Chain, Recipe};
use crate::host::checkpoint::Run;
use crate::host::recipe::Finished;
use candle_core::Device;
use std::path::Path;

/// Reads a chain: merged, from the averaged weights of a checkpoint, or from the network `edge`.
///
/// # Errors
/// Where the file is none of these.
pub fn load(path: &Path) -> Result<(Chain, Recipe)> {
    let neither = match Chain::load(path) {
        Err(error) if error.kind() == Kind::Model => error,
        other => return other,
    };
    if let Ok(run) = Run::load(path, &Device::Cpu) {
        return Ok((run.averaged()?.merge()?, run.description()));
    }
    let by_recipe = Finished::load(path).ok().and_then(|finished| Some((finished.chain()?, finished.training)));
    by_recipe.ok_or(neither)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::checkpoint::Recipe;

    #[test]
    fn a_checkpoint_gives_its_averaged_weights_and_a_chain_itself() {
        let run = Run::new(Recipe::sketch(), &Device::Cpu).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (checkpoint, merged) = (folder.path().join("checkpoint"), folder.path().join("merged"));
        run.save(&checkpoint).unwrap();
        let (chain, description) = load(&checkpoint).unwrap();
        assert_eq!((&chain, &description), (&run.averaged().unwrap().merge().unwrap(), &run.description()));
        std::fs::write(&merged, chain.to_bytes(&description).unwrap()).unwrap();
        assert_eq!(load(&merged).unwrap(), (chain, description));
    }

    #[test]
    fn what_is_neither_is_refused_with_the_merged_chains_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        std::fs::write(&path, b"not tensors").unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("not a safetensors file"));
        assert_eq!(load(&folder.path().join("none")).unwrap_err().kind(), Kind::Io);
    }
}
