//! The page that raters see, one HTML file with everything in it, and the key that tells its codes.

use super::ratings::{Entry, Key};
use crate::error::{Error, Result};
use crate::evaluate::base64;
use crate::host::random::Random;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// One picture as one method made it.
#[derive(Debug, Clone)]
pub struct Version {
    /// The set's name.
    pub set: String,
    /// The picture's name.
    pub picture: String,
    /// The method's name.
    pub method: String,
    /// What raters see: a PNG file.
    pub png: Vec<u8>,
}

/// What is known of a page before its first picture.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Enlargement.
    pub scale: usize,
    /// Seed of the raters' orders.
    pub seed: u64,
    /// Raters have the numbers 1 to this.
    pub raters: u16,
    /// Versions that are to come, for messages.
    pub versions: usize,
    /// Bytes that the page's pictures may have.
    pub max_bytes: u64,
}

/// What a page is made of, collected picture by picture within a bound.
#[derive(Debug)]
pub struct Study {
    plan: Plan,
    versions: Vec<Version>,
    calibration: Vec<[Vec<u8>; 2]>,
    bytes: u64,
}

impl Study {
    /// A study without pictures yet.
    pub fn new(plan: Plan) -> Self {
        Self { plan, versions: Vec::new(), calibration: Vec::new(), bytes: 0 }
    }

    /// Adds a calibration pair: a picture by nearest neighbour and its original, as PNG files.
    ///
    /// # Errors
    /// A limit error where the page would pass its bound.
    pub fn calibrate(&mut self, nearest: Vec<u8>, original: Vec<u8>) -> Result<()> {
        self.grow(nearest.len() + original.len())?;
        self.calibration.push([nearest, original]);
        Ok(())
    }

    /// Adds a version to be rated.
    ///
    /// # Errors
    /// A limit error where the page would pass its bound.
    pub fn rate(&mut self, version: Version) -> Result<()> {
        self.grow(version.png.len())?;
        self.versions.push(version);
        Ok(())
    }

    /// Versions to be rated.
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether there is nothing to rate.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    fn grow(&mut self, png: usize) -> Result<()> {
        self.bytes += png.div_ceil(3) as u64 * 4;
        let Plan { versions: all, max_bytes, .. } = self.plan;
        if self.bytes <= max_bytes {
            return Ok(());
        }
        let done = self.versions.len();
        let whole = (self.bytes * all as u64).checked_div(done as u64).filter(|_| done < all);
        let whole = whole.map_or_else(String::new, |bytes| format!("; all would take about {} MiB", bytes >> 20));
        Err(Error::limit(format!("the page passes {} MiB after {done} of {all} versions{whole}", max_bytes >> 20))
            .fix("take fewer with --pictures, smaller ones with --crop, or raise --max-size"))
    }

    /// The page and its key. A version's code is a digest of the seed and its own bytes, and the page lists versions by code,
    /// so that neither tells anything that the pixels do not: not the method, and not which versions share one.
    pub fn finish(self) -> (String, Key) {
        let Plan { seed, raters, scale, .. } = self.plan;
        let mut coded: BTreeMap<String, Version> = BTreeMap::new();
        let sets = once(self.versions.iter().map(|version| &version.set));
        let methods = once(self.versions.iter().map(|version| &version.method));
        for version in self.versions {
            // Equal pictures, such as two methods may make, have codes of their own.
            let mut turn = 0u64;
            while coded.contains_key(&code(seed, turn, &version.png)) {
                turn += 1;
            }
            coded.insert(code(seed, turn, &version.png), version);
        }
        let mut all = Sha256::new_with_prefix(seed.to_le_bytes());
        for code in coded.keys() {
            all.update(code);
        }
        for png in self.calibration.iter().flatten() {
            all.update(png);
        }
        let page = hex(&all.finalize()[..6]);
        let data = data(&page, &coded, &self.calibration, (raters, seed));
        let html = TEMPLATE.replace("@@style@@", STYLE).replace("@@script@@", SCRIPT).replace("@@data@@", &data);
        let entry = |v: Version| Entry { set: v.set, picture: v.picture, method: v.method };
        let items = coded.into_iter().map(|(code, version)| (code, entry(version))).collect();
        (html, Key { format: Key::FORMAT.into(), page, scale, seed, raters, sets, methods, items })
    }
}

/// Every name once, in the order of their first places.
fn once<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for name in names {
        if !seen.contains(name) {
            seen.push(name.clone());
        }
    }
    seen
}

/// Ten hexadecimal digits of the digest of `png`, `seed` and `turn`.
fn code(seed: u64, turn: u64, png: &[u8]) -> String {
    let digest = Sha256::new_with_prefix(seed.to_le_bytes()).chain_update(turn.to_le_bytes()).chain_update(png);
    hex(&digest.finalize()[..5])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the page's script reads, as JSON: no letter of it needs an escape.
fn data(
    page: &str,
    coded: &BTreeMap<String, Version>,
    calibration: &[[Vec<u8>; 2]],
    (raters, seed): (u16, u64),
) -> String {
    let pictures: usize = coded.values().map(|version| version.png.len()).sum();
    let mut text = String::with_capacity(pictures / 3 * 4 + coded.len() * 32);
    let _ = write!(text, "{{\"page\":\"{page}\",\n\"calibration\":[");
    for (index, [nearest, original]) in calibration.iter().enumerate() {
        let comma = if index > 0 { ",\n" } else { "" };
        let _ = write!(text, "{comma}[\"{}\",\"{}\"]", base64(nearest), base64(original));
    }
    text.push_str("],\n\"items\":[");
    for (index, (code, version)) in coded.iter().enumerate() {
        let comma = if index > 0 { ",\n" } else { "" };
        let _ = write!(text, "{comma}[\"{code}\",\"{}\"]", base64(&version.png));
    }
    text.push_str("],\n\"orders\":[");
    for rater in 1..=raters {
        let order: Vec<String> = order(coded.len(), seed, rater).iter().map(usize::to_string).collect();
        let comma = if rater > 1 { ",\n" } else { "" };
        let _ = write!(text, "{comma}[{}]", order.join(","));
    }
    text.push_str("]}");
    text
}

/// The order in which `rater` sees `count` versions: every index once, a stream of its own for each seed and rater
/// (Fisher and Yates, over xoshiro256++).
pub fn order(count: usize, seed: u64, rater: u16) -> Vec<usize> {
    // An odd factor other than splitmix64's own, whose multiples would make the raters' streams overlap.
    let mut random = Random::new(seed.wrapping_add(u64::from(rater).wrapping_mul(0xD1B5_4A32_D192_ED03)));
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn study(seed: u64) -> (String, Key) {
        let mut study = Study::new(Plan { scale: 4, seed, raters: 3, versions: 8, max_bytes: 1 << 20 });
        study.calibrate(vec![1, 2, 3], vec![4, 5, 6]).unwrap();
        for picture in ["quay", "roof"] {
            for (n, method) in ["nearest", "bicubic", "original", "twin"].iter().enumerate() {
                // The last two are equal pictures.
                let png = format!("{picture} {}", n.min(2)).into_bytes();
                let version = Version { set: "s".into(), picture: picture.into(), method: (*method).into(), png };
                study.rate(version).unwrap();
            }
        }
        assert_eq!(study.len(), 8);
        study.finish()
    }

    #[test]
    fn orders_are_permutations_that_differ_between_raters_and_seeds() {
        let mut seen = Vec::new();
        for (seed, rater) in [(1, 1), (1, 2), (1, 26), (2, 1), (2, 2)] {
            let order = order(1128, seed, rater);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..1128));
            // Two random permutations agree in one place on average.
            let alike = |other: &Vec<usize>| other.iter().zip(&order).filter(|(a, b)| a == b).count();
            assert!(seen.iter().all(|other| alike(other) < 10));
            seen.push(order);
        }
        assert_eq!(order(1128, 1, 1), seen[0]);
        assert_eq!((order(0, 1, 1), order(1, 1, 1)), (vec![], vec![0]));
    }

    #[test]
    fn every_version_has_a_code_and_the_page_lists_them_without_names() {
        let (html, key) = study(1);
        assert_eq!(key.items.len(), 8);
        let places: Vec<_> = key.items.keys().map(|code| html.find(&format!("[\"{code}\"")).unwrap()).collect();
        assert!(places.is_sorted());
        for name in ["bicubic", "twin", "quay", "roof", "@@"] {
            assert!(!html.contains(name), "{name}");
        }
        let text = html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        let data: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(data["orders"].as_array().unwrap().len(), 3);
        assert_eq!(data["page"], key.page);
    }

    #[test]
    fn another_seed_is_another_page_with_other_codes() {
        let ((_, one), (_, two)) = (study(1), study(2));
        assert_eq!(study(1).1, one);
        assert_ne!(one.page, two.page);
        assert!(one.items.keys().all(|code| !two.items.contains_key(code)));
    }

    #[test]
    fn the_bound_holds_and_says_what_helps() {
        let mut study = Study::new(Plan { scale: 4, seed: 1, raters: 1, versions: 4, max_bytes: 1 << 20 });
        study.calibrate(vec![0; 300_000], vec![0; 300_000]).unwrap();
        let version = |bytes| Version { set: "s".into(), picture: "p".into(), method: "m".into(), png: vec![0; bytes] };
        study.rate(version(100)).unwrap();
        let error = study.rate(version(300_000)).unwrap_err().to_string();
        assert!(
            error.contains("passes 1 MiB after 1 of 4 versions; all would take about 4 MiB (take fewer"),
            "{error}"
        );
    }
}
