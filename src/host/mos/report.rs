//! The ratings of many raters counted, as a table of text, JSON and a page with plots.

use super::plot;
use super::ratings::{Key, Ratings};
use super::statistics::Summary;
use super::{NEAREST, ORIGINAL, WORDS};
use crate::error::{Error, Result};
use crate::evaluate::{STYLE, escaped};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How the report and the table say what the interval is.
const INTERVAL: &str =
    "The interval is Student's t at 95 % over all ratings that a method got in a set, each taken as a draw of its own.";

/// The ratings read so far.
#[derive(Debug)]
pub struct Tally {
    key: Key,
    /// How often each rating was given, by set and method.
    counts: BTreeMap<(String, String), [u64; 5]>,
    /// Who rated, and in which file.
    raters: BTreeMap<u16, String>,
    remarks: Vec<String>,
    refused: Vec<(String, String)>,
}

/// One method in one set.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The method's name.
    pub method: String,
    /// What its ratings come to.
    pub summary: Summary,
}

/// One set: its name and a row for each method that was rated, in the key's order.
pub type SetRows = (String, Vec<Row>);

impl Tally {
    /// Nothing counted yet.
    pub fn new(key: Key) -> Self {
        Self { key, counts: BTreeMap::new(), raters: BTreeMap::new(), remarks: Vec::new(), refused: Vec::new() }
    }

    /// The key, by which files are read.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Counts what came from `file`.
    ///
    /// # Errors
    /// An input error where the rater's ratings were counted already.
    pub fn add(&mut self, file: &str, ratings: &Ratings) -> Result<()> {
        if let Some(earlier) = self.raters.get(&ratings.rater) {
            return Err(Error::input(format!("rater {} was read from {earlier} already", ratings.rater))
                .fix("give one file a rater")
                .at(file));
        }
        self.raters.insert(ratings.rater, file.to_string());
        let mut of_one: BTreeMap<&str, [u64; 5]> = BTreeMap::new();
        for (code, &rating) in &ratings.ratings {
            let Some(entry) = self.key.items.get(code) else { continue };
            let place = usize::from(rating.clamp(1, 5)) - 1;
            self.counts.entry((entry.set.clone(), entry.method.clone())).or_default()[place] += 1;
            of_one.entry(&entry.method).or_default()[place] += 1;
        }
        let rater = ratings.rater;
        let (rated, all) = (ratings.ratings.len(), self.key.items.len());
        if rated < all {
            self.remarks.push(format!("rater {rater} rated {rated} of {all} versions"));
        }
        let mean = |name| of_one.get(name).and_then(|counts| Summary::of(*counts)).map(|summary| summary.mean);
        if let (Some(nearest), Some(original)) = (mean(NEAREST), mean(ORIGINAL))
            && nearest >= original
        {
            self.remarks.push(format!(
                "rater {rater} gave nearest neighbour {nearest:.2} and the originals {original:.2}: the calibration did not take"
            ));
        }
        Ok(())
    }

    /// Remembers that `file` was refused, and why.
    pub fn refuse(&mut self, file: &str, why: &Error) {
        self.refused.push((file.to_string(), why.to_string()));
    }

    /// How many raters were counted.
    pub fn raters(&self) -> usize {
        self.raters.len()
    }

    /// `1 rater`, `26 raters`.
    fn people(&self) -> String {
        let count = self.raters.len();
        format!("{count} rater{}", if count == 1 { "" } else { "s" })
    }

    /// Files that were refused, each with the reason.
    pub fn refused(&self) -> &[(String, String)] {
        &self.refused
    }

    /// What a reader of the results should know: raters who left versions out, or rated as if not calibrated.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// What the ratings come to, set by set. Methods without a rating have no row, and sets without a row are left out.
    pub fn rows(&self) -> Vec<SetRows> {
        let row = |set: &String, method: &String| {
            let counts = self.counts.get(&(set.clone(), method.clone()))?;
            Some(Row { method: method.clone(), summary: Summary::of(*counts)? })
        };
        let rows = |set: &String| self.key.methods.iter().filter_map(|method| row(set, method)).collect::<Vec<_>>();
        self.key.sets.iter().map(|set| (set.clone(), rows(set))).filter(|(_, rows)| !rows.is_empty()).collect()
    }

    /// For scripts.
    pub fn to_json(&self) -> Value {
        let row = |row: &Row| {
            let Summary { n, mean, interval, counts } = row.summary;
            json!({
                "method": row.method, "n": n, "mean": mean, "interval": interval, "counts": counts,
                "shares": row.summary.shares(),
            })
        };
        let set = |(set, rows): &SetRows| json!({ "set": set, "methods": rows.iter().map(row).collect::<Vec<_>>() });
        let refused = |(file, reason): &(String, String)| json!({ "file": file, "reason": reason });
        json!({
            "scale": self.key.scale,
            "page": self.key.page,
            "raters": self.raters.keys().collect::<Vec<_>>(),
            "sets": self.rows().iter().map(set).collect::<Vec<_>>(),
            "remarks": self.remarks,
            "refused": self.refused.iter().map(refused).collect::<Vec<_>>(),
        })
    }

    /// As lines to read: for each method its ratings, their mean, the interval, and the share of each rating.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (set, rows) in self.rows() {
            let title = format!("{set} x{}", self.key.scale);
            let names = rows.iter().map(|row| row.method.chars().count());
            let left = names.chain([title.chars().count()]).max().unwrap_or(0);
            let _ = writeln!(text, "{title:<left$}  ratings   mean  95 % interval      1     2     3     4     5");
            for Row { method, summary } in rows {
                let interval = interval(&summary).map_or_else(|| "-".into(), |[low, high]| format!("{low} .. {high}"));
                let _ = write!(text, "{method:<left$}  {:>7}  {:>5.2}  {interval:>13}", summary.n, summary.mean);
                for share in summary.shares() {
                    let _ = write!(text, "  {:>3.0}%", 100.0 * share);
                }
                text.push('\n');
            }
            text.push('\n');
        }
        let _ = writeln!(text, "{}. {INTERVAL}", self.people());
        text
    }

    /// As a page of HTML that needs nothing beside itself.
    pub fn page(&self) -> String {
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Mean opinion scores</title>\n<style>\n{STYLE}</style>\n<h1>Mean opinion scores, enlarging {} times</h1>\n\
             <p>{} rated pictures blind, from 1 ({}) to 5 ({}), each in an order of their own, after the test of \
             Ledig et al. 2017. {INTERVAL} Read by upres {}.</p>\n",
            self.key.scale,
            self.people(),
            WORDS[0],
            WORDS[4],
            env!("CARGO_PKG_VERSION")
        );
        for (set, rows) in self.rows() {
            let _ = writeln!(page, "<h2>{}</h2>\n{}", escaped(&set), plot::svg(&rows));
            table_of(&mut page, &rows);
        }
        let refused = self.refused.iter().map(|(file, reason)| format!("{file} was refused: {reason}"));
        let notes: Vec<String> = self.remarks.iter().cloned().chain(refused).collect();
        if !notes.is_empty() {
            page.push_str("<h2>Notes</h2>\n<ul>\n");
            for note in notes {
                let _ = writeln!(page, "<li>{}", escaped(&note));
            }
            page.push_str("</ul>\n");
        }
        page.push_str("</html>\n");
        page
    }
}

/// Both ends of the interval to two digits.
fn interval(summary: &Summary) -> Option<[String; 2]> {
    summary.interval.map(|ends| ends.map(|end| format!("{end:.2}")))
}

fn table_of(page: &mut String, rows: &[Row]) {
    page.push_str("<div class=\"scroll\"><table>\n<tr><th>Method<th>ratings<th>mean<th>95 % interval");
    for (rating, word) in (1..).zip(WORDS) {
        let _ = write!(page, "<th>{rating} {word}");
    }
    page.push('\n');
    for Row { method, summary } in rows {
        let interval = interval(summary).map_or_else(|| "–".into(), |[low, high]| format!("{low} to {high}"));
        let _ = write!(page, "<tr><td>{}<td>{}<td>{:.2}<td>{interval}", escaped(method), summary.n, summary.mean);
        for share in summary.shares() {
            let _ = write!(page, "<td>{:.0} %", 100.0 * share);
        }
        page.push('\n');
    }
    page.push_str("</table></div>\n");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::ratings::tests::key;
    use super::*;

    fn ratings(rater: u16, given: &[(&str, u8)]) -> Ratings {
        Ratings { rater, ratings: given.iter().map(|(code, rating)| ((*code).to_string(), *rating)).collect() }
    }

    fn tally() -> Tally {
        let mut tally = Tally::new(key());
        tally.add("one.json", &ratings(1, &[("a1", 1), ("b2", 5), ("c3", 2), ("d4", 5)])).unwrap();
        tally.add("two.json", &ratings(2, &[("a1", 1), ("b2", 4)])).unwrap();
        tally.add("three.json", &ratings(3, &[("a1", 4), ("b2", 3), ("c3", 4), ("d4", 4)])).unwrap();
        tally
    }

    #[test]
    fn ratings_are_counted_by_method() {
        let rows = tally().rows();
        assert_eq!(rows.len(), 1);
        let (set, rows) = &rows[0];
        let counts: Vec<_> = rows.iter().map(|row| (row.method.as_str(), row.summary.counts)).collect();
        assert_eq!((set.as_str(), counts), ("s", vec![("nearest", [2, 1, 0, 2, 0]), ("original", [0, 0, 1, 2, 2])]));
    }

    #[test]
    fn a_rater_counts_once() {
        let mut tally = tally();
        let error = tally.add("again.json", &ratings(2, &[("a1", 5)])).unwrap_err();
        assert!(error.to_string().starts_with("again.json: rater 2 was read from two.json already"), "{error}");
        assert_eq!((tally.raters(), tally.rows()[0].1[0].summary.n), (3, 5));
    }

    #[test]
    fn raters_who_left_out_or_were_not_calibrated_are_remarked() {
        let remarks = tally().remarks().join("; ");
        assert!(remarks.contains("rater 2 rated 2 of 4") && remarks.contains("rater 3 gave nearest neighbour 4.00"));
        assert_eq!(tally().remarks().len(), 2);
    }

    #[test]
    fn the_page_and_the_table_hold_the_numbers() {
        let mut tally = tally();
        tally.refuse("<bad>.json", &Error::input("this is not whole JSON"));
        let (page, table) = (tally.page(), tally.table());
        assert!(page.contains("&lt;bad&gt;.json was refused") && !page.contains("<bad>"));
        // scipy.stats.t.interval(0.95, 4, 2.4, scipy.stats.sem([1, 1, 2, 4, 4])) = (0.5168, 4.2832)
        assert!(page.contains("<td>2.40<td>0.52 to 4.28<td>40 %<td>20 %<td>0 %<td>40 %<td>0 %"), "{page}");
        let line = table.lines().nth(1).unwrap();
        assert_eq!(line, "nearest         5   2.40   0.52 .. 4.28   40%   20%    0%   40%    0%");
        assert_eq!(tally.to_json()["sets"][0]["methods"][1]["counts"], json!([0, 0, 1, 2, 2]));
    }

    #[test]
    fn nothing_counted_is_no_row() {
        assert!(Tally::new(key()).rows().is_empty());
        assert!(Tally::new(key()).page().ends_with("</html>\n"));
    }
}
