//! What only the host program needs: data, training, quantisation, export.

pub mod calibrate;
pub mod chain;
pub mod chain_loss;
pub mod checkpoint;
pub mod convolution;
pub mod dataset;
pub mod degrade;
pub mod export;
pub mod integer;
pub mod quantise;
pub mod loss;
pub mod net;
pub mod optimise;
pub mod random;
pub mod train;

use crate::error::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Writes `bytes` under `path`, whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |e| Error::io("cannot write", path, e);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}
