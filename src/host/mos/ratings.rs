//! The files around a page: the key that tells its codes, and the ratings that raters send back.

use super::MAX_RATERS;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Largest key or file of ratings that is read.
const MAX_BYTES: u64 = 64 << 20;

/// What stands behind one code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The set's name.
    pub set: String,
    /// The picture's name.
    pub picture: String,
    /// The method's name.
    pub method: String,
}

/// What raters are not to see: which code is which version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// [`Key::FORMAT`].
    pub format: String,
    /// The page's name: a digest of its seed and its pictures.
    pub page: String,
    /// Enlargement.
    pub scale: usize,
    /// Seed of the choice and the orders.
    pub seed: u64,
    /// Raters have the numbers 1 to this.
    pub raters: u16,
    /// The sets, in the order of tables.
    pub sets: Vec<String>,
    /// The methods, in the order of tables.
    pub methods: Vec<String>,
    /// Every version by its code.
    pub items: BTreeMap<String, Entry>,
}

impl Key {
    /// How a key says that it is one.
    pub const FORMAT: &str = "upres mos key 1";

    /// The key as a file.
    ///
    /// # Errors
    /// None that can be met: a key is text and numbers.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| Error::internal("the key cannot be written").caused_by(e))
    }

    /// Reads the key at `path`.
    ///
    /// # Errors
    /// An I/O error, or an input error where it is no key or does not fit together.
    pub fn load(path: &Path) -> Result<Self> {
        Self::parse(&read(path)?)
            .map_err(|e| e.fix("give the FILE.key.json that was written beside the page").at(path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let key: Self =
            serde_json::from_slice(bytes).map_err(|e| Error::input("this is no key of a page").caused_by(e))?;
        if key.format != Self::FORMAT {
            return Err(Error::input(format!("its format is '{}', not '{}'", key.format, Self::FORMAT)));
        }
        if !(1..=MAX_RATERS).contains(&key.raters) {
            return Err(Error::input(format!("it is for {} raters, not 1 to {MAX_RATERS}", key.raters)));
        }
        let strange = |entry: &&Entry| !key.sets.contains(&entry.set) || !key.methods.contains(&entry.method);
        if let Some(Entry { set, method, .. }) = key.items.values().find(strange) {
            return Err(Error::input(format!("it does not list '{set}' or '{method}', of which it has versions")));
        }
        Ok(key)
    }
}

/// What one rater sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ratings {
    /// The rater's number.
    pub rater: u16,
    /// Ratings, 1 to 5, by the version's code.
    pub ratings: BTreeMap<String, u8>,
}

impl Ratings {
    /// How a file of ratings says that it is one; the page's script writes it.
    pub const FORMAT: &str = "upres mos ratings 1";

    /// Reads the ratings at `path` that belong to `key`. Versions that were not rated are simply missing.
    ///
    /// # Errors
    /// An I/O error, or an input error that begins with the path and says what is wrong: no such file of ours, of another
    /// page, an unknown rater or code, a rating that is none.
    pub fn load(path: &Path, key: &Key) -> Result<Self> {
        Self::parse(&read(path)?, key).map_err(|e| e.at(path.display()))
    }

    fn parse(bytes: &[u8], key: &Key) -> Result<Self> {
        let file: Value =
            serde_json::from_slice(bytes).map_err(|e| Error::input("this is not whole JSON").caused_by(e))?;
        if file["format"] != Self::FORMAT {
            return Err(Error::input("these are no ratings").fix("give the files that the page's last view offers"));
        }
        if file["page"] != key.page.as_str() {
            return Err(Error::input(format!(
                "these were made on the page {}, and the key is of {}: another seed, other pictures or other methods",
                file["page"], key.page
            ))
            .fix("give the key of that page"));
        }
        let rater = file["rater"].as_u64().filter(|rater| (1..=u64::from(key.raters)).contains(rater));
        let rater = rater.ok_or_else(|| {
            Error::input(format!("the rater is {}, not a number from 1 to {}", file["rater"], key.raters))
        })?;
        let given = file["ratings"].as_object().filter(|given| !given.is_empty());
        let given = given.ok_or_else(|| Error::input("it holds no rating"))?;
        let mut ratings = BTreeMap::new();
        for (code, rating) in given {
            if !key.items.contains_key(code) {
                return Err(Error::input(format!("the code '{code}' is unknown to the key")));
            }
            let rating = rating.as_u64().filter(|rating| (1..=5).contains(rating)).ok_or_else(|| {
                Error::input(format!("the rating of {code} is {rating}, not a whole number from 1 to 5"))
            })?;
            ratings.insert(code.clone(), rating as u8);
        }
        Ok(Self { rater: rater as u16, ratings })
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let io = |e| Error::io("cannot read", path, e);
    if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        return Err(Error::limit("larger than any file of a page's").at(path.display()));
    }
    std::fs::read(path).map_err(io)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn key() -> Key {
        let entry =
            |picture: &str, method: &str| Entry { set: "s".into(), picture: picture.into(), method: method.into() };
        let items = [("a1", "p", "nearest"), ("b2", "p", "original"), ("c3", "q", "nearest"), ("d4", "q", "original")];
        Key {
            format: Key::FORMAT.into(),
            page: "0123".into(),
            scale: 4,
            seed: 1,
            raters: 3,
            sets: vec!["s".into()],
            methods: vec!["nearest".into(), "original".into()],
            items: items.map(|(code, picture, method)| (code.into(), entry(picture, method))).into(),
        }
    }

    fn file() -> Value {
        json!({"format": Ratings::FORMAT, "page": "0123", "rater": 2, "ratings": {"a1": 1, "d4": 5}})
    }

    #[test]
    fn a_key_returns_from_its_file() {
        let key = key();
        assert_eq!(Key::parse(key.to_json().unwrap().as_bytes()).unwrap(), key);
        for strange in [
            Key { raters: 0, ..key.clone() },
            Key { methods: vec!["nearest".into()], ..key.clone() },
            Key { format: "other".into(), ..key },
        ] {
            assert!(Key::parse(strange.to_json().unwrap().as_bytes()).is_err());
        }
    }

    #[test]
    fn ratings_are_read() {
        let ratings = Ratings::parse(file().to_string().as_bytes(), &key()).unwrap();
        assert_eq!(ratings, Ratings { rater: 2, ratings: [("a1".into(), 1), ("d4".into(), 5)].into() });
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (field, value, words) in [
            ("format", json!("else"), "no ratings"),
            ("page", json!("9999"), "made on the page \"9999\""),
            ("page", json!(null), "made on the page null"),
            ("rater", json!(4), "the rater is 4, not a number from 1 to 3"),
            ("rater", json!(0), "the rater is 0"),
            ("rater", json!("2"), "the rater is \"2\""),
            ("ratings", json!({}), "no rating"),
            ("ratings", json!([1, 2]), "no rating"),
            ("ratings", json!({"zz": 3}), "the code 'zz' is unknown"),
            ("ratings", json!({"a1": 6}), "the rating of a1 is 6"),
            ("ratings", json!({"a1": 0}), "the rating of a1 is 0"),
            ("ratings", json!({"a1": -1}), "the rating of a1 is -1"),
            ("ratings", json!({"a1": 2.5}), "the rating of a1 is 2.5"),
            ("ratings", json!({"a1": "3"}), "the rating of a1 is \"3\""),
        ] {
            let mut file = file();
            file[field] = value;
            let error = Ratings::parse(file.to_string().as_bytes(), &key()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        for damaged in ["", "{", "[]", "null", "{\"format\": \"upres"] {
            assert!(Ratings::parse(damaged.as_bytes(), &key()).is_err(), "{damaged}");
        }
    }
}
