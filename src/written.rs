//! What people write for the programs to read: TOML whose mistakes are told with the line that they stand in.

use crate::error::{Error, Result};
use serde::de::DeserializeOwned;

/// Reads `text`, which is `what`, such as "configuration"; `keys` says which keys there are.
///
/// # Errors
/// A usage error, on one line as a log has it, with the number and the words of the line that cannot be followed.
pub fn read<T: DeserializeOwned>(text: &str, what: &str, keys: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| complaint(text, what, keys, &error))
}

/// The complaint about `text` that `error` is.
pub fn complaint(text: &str, what: &str, keys: &str, error: &toml::de::Error) -> Error {
    // The whole of toml's own message takes several lines.
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count();
    let said = without_urls(text.lines().nth(line).unwrap_or_default().trim());
    Error::usage(format!("line {} of this {what} cannot be followed ({said})", line + 1))
        .caused_by(without_urls(&error.message().replace('\n', ", ")))
        .fix(keys)
}

/// `text` up to the first URL in it: one may hold a password, and in a line that is wrong it may end anywhere.
fn without_urls(text: &str) -> String {
    text.split_once("://").map_or_else(|| text.to_owned(), |(before, _)| format!("{before}://…"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Two {
        #[allow(dead_code)]
        one: u8,
        #[allow(dead_code)]
        two: Option<u8>,
    }

    #[test]
    fn mistakes_are_told_with_their_line_on_one_line() {
        for (text, parts) in [
            ("one = 1\nthree = 3\n", ["line 2", "three"]),
            ("one = 1\n\n  two = 300 # much", ["line 3", "(two = 300 # much)"]),
            ("one = 1\ntwo\n", ["line 2", "(two)"]),
            ("", ["line 1", "one"]),
            ("one = 1\nthree = \"rtsp://me:secret@h\"\n", ["line 2", "rtsp://…"]),
            ("one = 1\ntwo = \"rtsp://me:secret@h\n", ["line 2", "rtsp://…"]),
            ("one = 'rtsp://me:secret@h'\n", ["line 1", "rtsp://…"]),
        ] {
            let error = read::<Two>(text, "pair", "one and two").unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)) && !error.contains('\n'), "{error}");
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("this pair") && error.ends_with("(one and two)"), "{error}");
        }
    }
}
