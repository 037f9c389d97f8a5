//! The page, built into the program.

/// The page itself.
pub(super) const PAGE: &str = include_str!("page/index.html");

const LOGIN: &str = include_str!("page/login.html");

/// A part of the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asset {
    /// Its content type.
    pub(super) kind: &'static str,
    /// All of it.
    pub(super) bytes: &'static [u8],
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The part of the page that a path names.
pub(super) fn asset(path: &str) -> Option<Asset> {
    let (kind, bytes): (_, &[u8]) = match path {
        "/page.css" => (STYLE, include_bytes!("page/page.css")),
        "/page.js" => (SCRIPT, include_bytes!("page/page.js")),
        "/records.js" => (SCRIPT, include_bytes!("page/records.js")),
        "/stage.js" => (SCRIPT, include_bytes!("page/stage.js")),
        "/figures.js" => (SCRIPT, include_bytes!("page/figures.js")),
        "/uplot.js" => (SCRIPT, include_bytes!("page/vendor/uPlot.js")),
        "/uplot.css" => (STYLE, include_bytes!("page/vendor/uPlot.css")),
        "/icon.svg" => ("image/svg+xml", include_bytes!("page/icon.svg")),
        _ => return None,
    };
    Some(Asset { kind, bytes })
}

/// The form for the token; it says so where the last one was wrong.
pub(super) fn login(was_wrong: bool) -> String {
    LOGIN.replace("{{wrong}}", if was_wrong { "That is not the token." } else { "" })
}
