//! A benchmark set on disk: `DIR/HR/` with the originals and, where they are, `DIR/LR_x4/` with the small pictures of
//! the same names; or a plain folder of originals.

use super::picture::Picture;
use crate::codec;
use crate::error::{Error, Result};
use crate::geometry::{Rect, Size};
use crate::resample::shrink_u8;
use std::path::{Path, PathBuf};

/// One original and, where the set brings it, its small picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// File name without its extension.
    pub name: String,
    /// The original.
    pub large: PathBuf,
    /// The picture to enlarge; made of the original by MATLAB's shrink where there is none.
    pub small: Option<PathBuf>,
}

/// The pictures of a folder, by name.
#[derive(Debug, Clone)]
pub struct Set {
    /// The folder's name.
    pub name: String,
    /// The pairs, sorted by name.
    pub pairs: Vec<Pair>,
}

impl Set {
    /// Finds the pictures of `folder` for the given scale.
    ///
    /// # Errors
    /// An input error where the folder cannot be listed or holds no picture.
    pub fn open(folder: &Path, scale: usize) -> Result<Self> {
        let inner = folder.join("HR");
        let large = pictures(if inner.is_dir() { &inner } else { folder })?;
        let small = folder.join(format!("LR_x{scale}"));
        let small = if small.is_dir() { pictures(&small)? } else { Vec::new() };
        let twin = |name: &str| small.iter().find(|(other, _)| other == name).map(|(_, path)| path.clone());
        let pairs = large.into_iter().map(|(name, large)| Pair { small: twin(&name), name, large });
        let set = Self { name: name_of(folder), pairs: pairs.collect() };
        if set.pairs.is_empty() {
            return Err(Error::input(format!("{} holds no picture", folder.display()))
                .fix("name a folder of originals, or one that has them in HR/"));
        }
        Ok(set)
    }
}

/// The last part of a folder's path, resolved where it is `.` or `..`.
fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    whole.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Pictures of a folder (not of those inside it) as name and path, sorted. Other files are passed over.
fn pictures(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let refused = |e| Error::io("cannot list", folder, e).fix("name a folder of pictures");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        if let Some(name) = stem.filter(|name| !name.starts_with('.'))
            && codec::Format::from_extension(&path).is_some()
            && path.is_file()
        {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

impl Pair {
    /// Reads the original and the small picture. The original is cut at the right and the bottom to `scale` times the
    /// small one; where that is more than `scale` − 1 pixels the two do not belong together.
    ///
    /// # Errors
    /// An input error where a file is damaged or the sizes do not fit.
    pub fn read(&self, scale: usize) -> Result<(Picture, Picture)> {
        let large = read(&self.large)?;
        let Some(path) = &self.small else {
            let size = Size::new(large.size.width / scale * scale, large.size.height / scale * scale);
            if size.area() == 0 {
                return Err(Error::input(format!("{} is smaller than the scale {scale}", large.size)));
            }
            let large = large.crop(Rect::new(0, 0, size));
            let (rgb, size) = shrink_u8(&large.rgb, size, 3, scale);
            return Ok((large, Picture { size, rgb }));
        };
        let small = read(path)?;
        let size = small.size.checked_scale(scale)?;
        let spare = |whole: usize, part: usize| whole.checked_sub(part).is_some_and(|rest| rest < scale);
        if !(spare(large.size.width, size.width) && spare(large.size.height, size.height)) {
            return Err(Error::input(format!(
                "{} is not {scale} times its small picture of {}",
                large.size, small.size
            )));
        }
        Ok((large.crop(Rect::new(0, 0, size)), small))
    }
}

fn read(path: &Path) -> Result<Picture> {
    Picture::gather(codec::open(path, &codec::Limits::default())?.as_mut())
}
