//! What was measured on this machine: for each generator whether floats or bytes are faster, and on how many threads.

use crate::atomic;
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Measurements of one machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The instructions that were used; another machine has others.
    pub cpu: String,
    /// Size of the frames that were timed, as WIDTHxHEIGHT.
    pub size: String,
    /// By the name of the generator in floats.
    #[serde(default)]
    pub models: BTreeMap<String, Choice>,
}

/// What is used in the place of one generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The generator that runs: itself or its quantised twin.
    pub model: String,
    /// Threads that share a frame.
    pub threads: usize,
    /// Milliseconds of a frame, the median.
    pub ms: f64,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// The generator.
    pub model: String,
    /// Whether it is quantised.
    pub quantised: bool,
    /// Threads that shared a frame.
    pub threads: usize,
    /// Milliseconds of a frame, the median.
    pub ms: f64,
}

/// How much faster bytes must be before they replace floats, which give the better picture.
const WORTH_BYTES: f64 = 1.1;
/// How much slower a smaller number of threads may be: the others are left to the camera and the encoder.
const WORTH_THREADS: f64 = 1.05;

/// Chooses among the timings of one generator and its twin; nothing where there is none.
pub fn choose(timings: &[Timing]) -> Option<Choice> {
    let fastest = |quantised: bool| {
        let own = || timings.iter().filter(move |t| t.quantised == quantised);
        let best = own().map(|t| t.ms).reduce(f64::min)?;
        own().filter(|t| t.ms <= best * WORTH_THREADS).min_by_key(|t| t.threads)
    };
    let chosen = match (fastest(false), fastest(true)) {
        (Some(floats), Some(bytes)) if floats.ms > bytes.ms * WORTH_BYTES => bytes,
        (Some(floats), _) => floats,
        (None, bytes) => bytes?,
    };
    let ms = (chosen.ms * 1e3).round() / 1e3;
    Some(Choice { model: chosen.model.clone(), threads: chosen.threads, ms })
}

impl Profile {
    /// Where the profile is kept unless the user says otherwise; nothing where there is no home.
    pub fn usual_place() -> Option<PathBuf> {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let config = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
        Some(config.join("upres").join("profile.toml"))
    }

    /// Where `UPRES_PROFILE` says that the profile is, or else its usual place.
    pub fn place() -> Option<PathBuf> {
        let told = std::env::var_os("UPRES_PROFILE").filter(|value| !value.is_empty());
        told.map(PathBuf::from).or_else(Self::usual_place)
    }

    /// Reads the profile at `path`; nothing where there is none, or it is of a machine with other instructions than `cpu`.
    ///
    /// # Errors
    /// An I/O error where it cannot be read, an input error where it is no profile.
    pub fn load(path: &Path, cpu: &str) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("cannot read", path, e)),
        };
        let profile = Self::parse(&text).map_err(|e| e.at(path.display()))?;
        if profile.cpu != cpu {
            log::warn!("{} was measured on {}, this machine has {cpu}: run 'upres tune'", path.display(), profile.cpu);
            return Ok(None);
        }
        Ok(Some(profile))
    }

    /// Reads a profile's text.
    ///
    /// # Errors
    /// An input error where it is none.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| {
            Error::new(Kind::Input, format!("is no profile: {}", e.message()))
                .fix("run 'upres tune' again, or delete the file")
        })
    }

    /// Writes the profile to `path`, whose folder is made where there is none.
    ///
    /// # Errors
    /// An I/O error.
    pub fn save(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("cannot make", folder, e))?;
        }
        let body = toml::to_string(self).map_err(|e| Error::internal(format!("the profile cannot be written: {e}")))?;
        let text = format!("# Measured by 'upres tune' on this machine. Delete it to go back to the defaults.\n{body}");
        atomic::write(path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn timing(model: &str, threads: usize, ms: f64) -> Timing {
        Timing { model: model.into(), quantised: model.ends_with("int8"), threads, ms }
    }

    #[test]
    fn floats_stay_unless_bytes_are_worth_it_and_threads_are_not_wasted() {
        let choice = |list: &[Timing]| choose(list).map(|c| (c.model, c.threads));
        assert_eq!(choose(&[]), None);
        let floats = [timing("a", 1, 10.0), timing("a", 2, 6.0), timing("a", 4, 5.9)];
        assert_eq!(choice(&floats), Some(("a".into(), 2)), "four threads gain nothing");
        let slightly = [&floats[..], &[timing("a-int8", 2, 5.6)]].concat();
        assert_eq!(choice(&slightly), Some(("a".into(), 2)), "bytes are hardly faster");
        let clearly = [&floats[..], &[timing("a-int8", 1, 5.2), timing("a-int8", 2, 3.0)]].concat();
        assert_eq!(choice(&clearly), Some(("a-int8".into(), 2)));
        assert_eq!(choice(&[timing("a-int8", 1, 3.0)]), Some(("a-int8".into(), 1)));
    }

    #[test]
    fn a_profile_comes_back_and_another_machines_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("profile.toml");
        assert_eq!(Profile::load(&path, "neon").unwrap(), None);
        let choice = Choice { model: "a-int8".into(), threads: 3, ms: 1.5 };
        let models = BTreeMap::from([("a".to_owned(), choice)]);
        let profile = Profile { cpu: "neon".into(), size: "480x270".into(), models };
        profile.save(&path).unwrap();
        assert_eq!(Profile::load(&path, "neon").unwrap(), Some(profile));
        assert_eq!(Profile::load(&path, "avx2").unwrap(), None);
        std::fs::write(&path, "cpu = \"neon\"\nsize = \"1x1\"\nspeed = 3\n").unwrap();
        let error = Profile::load(&path, "neon").unwrap_err().to_string();
        assert!(error.contains("speed") && error.contains("tune"), "{error}");
    }
}
