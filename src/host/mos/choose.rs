//! Which pictures are rated, and which calibrate the raters.

use super::page::order;
use crate::error::{Error, Result};
use crate::evaluate::{Pair, Set};

/// The pictures of a study. No picture is in both lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is rated, as the set's name and the picture; sets in their order, pictures by name.
    pub rated: Vec<(String, Pair)>,
    /// What calibrates.
    pub calibration: Vec<Pair>,
}

/// Chooses at most `pictures` of each set to be rated, and `calibration` further ones by which raters are calibrated: of
/// `calibrate` where it is given (fewer where it has fewer), else of those that are not rated, else the largest set gives
/// some of its own up. The choice is `seed`'s.
///
/// # Errors
/// A usage error where two sets have one name, or where nothing would be left to rate or to calibrate with.
pub fn choose(
    sets: &[Set],
    calibrate: Option<&Set>,
    pictures: Option<usize>,
    calibration: usize,
    seed: u64,
) -> Result<Choice> {
    let mut rated: Vec<(&str, Vec<Pair>)> = Vec::new();
    let mut spare = Vec::new();
    for set in sets {
        if rated.iter().any(|(name, _)| *name == set.name) {
            return Err(Error::usage(format!("two sets are called '{}'", set.name)).fix("rename one of the folders"));
        }
        let mut chosen = shuffled(set, seed);
        spare.extend(chosen.split_off(pictures.unwrap_or(usize::MAX).min(chosen.len())));
        rated.push((&set.name, chosen));
    }
    let calibration = match calibrate {
        Some(set) => strangers(set, &rated, calibration, seed)?,
        None => given_up(&mut rated, spare, calibration)?,
    };
    let mut named = Vec::new();
    for (name, mut pairs) in rated {
        pairs.sort_by(|a, b| a.name.cmp(&b.name));
        named.extend(pairs.into_iter().map(|pair| (name.to_string(), pair)));
    }
    if named.is_empty() {
        return Err(Error::usage("no picture is left to be rated").fix("ask for at least one with --pictures"));
    }
    Ok(Choice { rated: named, calibration })
}

fn shuffled(set: &Set, seed: u64) -> Vec<Pair> {
    order(set.pairs.len(), seed, 0).into_iter().filter_map(|index| set.pairs.get(index).cloned()).collect()
}

/// The first `count` pictures of `set` that are not rated.
fn strangers(set: &Set, rated: &[(&str, Vec<Pair>)], count: usize, seed: u64) -> Result<Vec<Pair>> {
    let place = |pair: &Pair| pair.large.canonicalize().unwrap_or_else(|_| pair.large.clone());
    let known: Vec<_> = rated.iter().flat_map(|(_, pairs)| pairs).map(place).collect();
    let mut found = shuffled(set, seed);
    found.retain(|pair| !known.contains(&place(pair)));
    found.truncate(count);
    if found.is_empty() {
        return Err(Error::usage(format!("every picture of '{}' is one that is rated", set.name))
            .fix("name a folder of other pictures with --calibrate"));
    }
    Ok(found)
}

/// `count` pictures of `spare`, and what is missing of the largest sets, each of which keeps one.
fn given_up(rated: &mut [(&str, Vec<Pair>)], mut spare: Vec<Pair>, count: usize) -> Result<Vec<Pair>> {
    spare.truncate(count);
    while spare.len() < count {
        let largest = rated.iter_mut().map(|(_, pairs)| pairs).max_by_key(|pairs| pairs.len());
        match largest.filter(|pairs| pairs.len() > 1).and_then(Vec::pop) {
            Some(pair) => spare.push(pair),
            None => {
                return Err(Error::usage(format!(
                    "{count} pictures are to calibrate the raters, and too few are left for that"
                ))
                .fix("name a folder of others with --calibrate, or lower --calibration"));
            }
        }
    }
    Ok(spare)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn set(name: &str, count: usize) -> Set {
        let pair =
            |n: usize| Pair { name: format!("{n}"), large: PathBuf::from(format!("{name}/{n}.png")), small: None };
        Set { name: name.into(), pairs: (0..count).map(pair).collect() }
    }

    fn files(choice: &Choice) -> (Vec<String>, Vec<String>) {
        let file = |pair: &Pair| pair.large.display().to_string();
        (choice.rated.iter().map(|(_, pair)| file(pair)).collect(), choice.calibration.iter().map(file).collect())
    }

    #[test]
    fn no_picture_both_calibrates_and_is_rated() {
        for (pictures, calibrate) in
            [(None, None), (Some(3), None), (Some(4), Some(set("b", 9))), (None, Some(set("c", 2)))]
        {
            let choice = choose(&[set("a", 6), set("b", 9)], calibrate.as_ref(), pictures, 3, 5).unwrap();
            let (rated, calibration) = files(&choice);
            assert!(calibration.iter().all(|file| !rated.contains(file)), "{rated:?} {calibration:?}");
            assert_eq!(calibration.len(), if pictures.is_none() && calibrate.is_some() { 2 } else { 3 });
        }
        // All are asked for, and the larger set gives three up.
        let (rated, _) = files(&choose(&[set("a", 6), set("b", 9)], None, None, 3, 5).unwrap());
        assert_eq!(rated.iter().filter(|file| file.starts_with('b')).count(), 6);
        assert_eq!(rated.len(), 12);
    }

    #[test]
    fn the_seed_decides() {
        let of = |seed| choose(&[set("a", 40)], None, Some(5), 3, seed).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn too_few_pictures_are_refused() {
        let message = |result: Result<Choice>| result.unwrap_err().to_string();
        assert!(message(choose(&[set("a", 3)], None, None, 3, 1)).contains("--calibration"));
        assert!(message(choose(&[set("a", 3)], Some(&set("a", 3)), None, 3, 1)).contains("--calibrate"));
        assert!(message(choose(&[set("a", 3), set("a", 2)], None, None, 1, 1)).contains("called 'a'"));
    }
}
