//! No target: writes what the targets begin with into the folder that `UPRES_SEEDS` names, and ends. It is built like them so
//! that the library need not be built twice.
#![no_main]

#[path = "seeds/live.rs"]
mod live;
#[path = "seeds/models.rs"]
mod models;
#[path = "seeds/pictures.rs"]
mod pictures;

use std::path::PathBuf;

/// The folder of a target's seeds.
struct Seeds(PathBuf, usize);

impl Seeds {
    fn of(target: &str) -> Self {
        let root = std::env::var_os("UPRES_SEEDS").map_or_else(|| panic!("UPRES_SEEDS names no folder"), PathBuf::from);
        let folder = root.join(target);
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        Self(folder, 0)
    }

    fn put(&mut self, bytes: impl AsRef<[u8]>) {
        self.1 += 1;
        let path = self.0.join(format!("seed-{:03}", self.1));
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn write() -> ! {
    models::write();
    pictures::write();
    live::write();
    std::process::exit(0);
}

libfuzzer_sys::fuzz_target!(init: write(), |bytes: &[u8]| {
    let _ = bytes;
});
