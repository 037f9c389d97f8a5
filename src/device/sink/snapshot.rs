//! Single pictures into a folder, when somebody asks.

use super::date;
use crate::atomic::AtomicFile;
use crate::codec::frames::JpegEncoder;
use crate::device::shot::Shown;
use crate::error::{Error, Result};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

const QUALITY: u8 = 92;
/// Names that are tried for one millisecond.
const MOST: usize = 1000;

/// Where snapshots go.
#[derive(Debug)]
pub struct Snapshots {
    folder: PathBuf,
    /// Two at once would find the same name free.
    turn: Mutex<()>,
}

impl Snapshots {
    /// Snapshots into `folder`, which must exist when one is taken.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, turn: Mutex::new(()) }
    }

    /// Writes the enlarged picture as a JPEG of quality 92, named by the date in UTC (`upres-20261121-184134-250.jpg`), and
    /// says where it is. Whole or not there; no file is ever replaced.
    ///
    /// # Errors
    /// An I/O error where it cannot be written, a limit error where the picture is too large for a JPEG.
    pub fn take(&self, shown: &Shown) -> Result<PathBuf> {
        self.take_at(shown, SystemTime::now())
    }

    fn take_at(&self, shown: &Shown, now: SystemTime) -> Result<PathBuf> {
        let mut jpeg = Vec::new();
        JpegEncoder::new(QUALITY).encode(&shown.large.header, &shown.large.bytes, &mut jpeg)?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.free(now)?;
        let mut file = AtomicFile::create(&path)?;
        file.write_all(&jpeg).map_err(|error| Error::io("cannot write", &path, error))?;
        file.commit()?;
        Ok(path)
    }

    fn free(&self, now: SystemTime) -> Result<PathBuf> {
        let name = format!("upres-{}-{:03}", date::stamp(now), date::milliseconds(now));
        let names = (1..MOST).map(|n| if n == 1 { format!("{name}.jpg") } else { format!("{name}_{n:03}.jpg") });
        // A link that leads nowhere is a name in use, too.
        let free = names.map(|name| self.folder.join(name)).find(|path| path.symlink_metadata().is_err());
        free.ok_or_else(|| Error::limit(format!("{name} and all names beside it are taken")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::record::testing::shown;
    use super::*;
    use crate::codec::frames::JpegDecoder;
    use crate::error::Kind;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn pictures_are_named_by_the_date_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(folder.path().to_path_buf());
        let now = UNIX_EPOCH + Duration::from_millis(951_782_400_007);
        let names = ["upres-20000229-000000-007.jpg", "upres-20000229-000000-007_002.jpg"];
        for (number, name) in names.iter().enumerate() {
            let path = snapshots.take_at(&shown(32, 24, number as u64, 0), now).unwrap();
            assert_eq!(path, folder.path().join(name));
        }
        let mut planar = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let jpeg = std::fs::read(folder.path().join(name)).unwrap();
            let header = JpegDecoder::default().decode(&jpeg, 1 << 20, &mut planar).unwrap();
            assert_eq!((header.size.width, header.size.height), (32, 24));
            let luma = shown(32, 24, number as u64, 0).large.bytes[0];
            assert!(planar[0].abs_diff(luma) < 4, "{} in place of {luma}", planar[0]);
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let snapshots = Snapshots::new("/nowhere/at/all".into());
        assert_eq!(snapshots.take(&shown(8, 8, 0, 0)).unwrap_err().kind(), Kind::Io);
    }
}
