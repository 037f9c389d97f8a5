//! The configuration file, and the token that it names.

use super::{Case, Finding};
use crate::device::sink::http::HttpOptions;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) fn configuration(case: &Case) -> Vec<Finding> {
    let asked = case.asked;
    let Some(file) = &asked.configuration else {
        return vec![Finding::note("configuration", "none; upres live goes by its flags and the board")];
    };
    if let Some(why) = &asked.refused {
        let fix = "correct it; 'upres live --help' tells the keys, board/live.toml is an example";
        return vec![Finding::trouble("configuration", why.clone()).fix(fix)];
    }
    let mut findings = vec![Finding::ok("configuration", format!("{} can be followed", file.display()))];
    findings.extend(asked.token_file.as_deref().and_then(|file| token_file(case, file)));
    findings.extend(asked.http.as_deref().map(|address| address_of(case, address)));
    findings
}

/// Whether others can read the token.
fn token_file(case: &Case, file: &Path) -> Option<Finding> {
    let shown = file.display();
    let Some(metadata) = case.tree.metadata(file) else {
        return Some(
            Finding::trouble("token", format!("{shown} is not there, or in a folder that this user may not enter"))
                .fix(format!("openssl rand -hex 16 | sudo tee {shown}; sudo chmod 640 {shown}")),
        );
    };
    if metadata.mode() & 0o007 != 0 {
        return Some(
            Finding::warning("token", format!("{shown} can be read by every user of this machine"))
                .fix(format!("sudo chmod o-rwx {shown}")),
        );
    }
    None
}

/// Whether the page may be served at `address`.
fn address_of(case: &Case, address: &str) -> Finding {
    let Ok(socket) = address.parse::<SocketAddr>() else {
        let fix = "write ADDRESS:PORT, such as 127.0.0.1:8080";
        return Finding::trouble("http", format!("'{address}' is no address")).fix(fix);
    };
    let file = case.asked.token_file.as_ref();
    let text = file.and_then(|file| case.tree.text(file));
    if file.is_some() && text.is_none() {
        // Often right: a token is for the service alone.
        return Finding::note("http", format!("{address}; this user cannot read the token, so it was not checked"));
    }
    let token = text.map(|text| text.lines().next().unwrap_or_default().trim().to_owned());
    let options = HttpOptions { token, ..HttpOptions::new(socket) };
    match options.check() {
        Ok(()) => Finding::ok("http", format!("the page at {address}")),
        Err(error) => Finding::trouble("http", error.to_string()).fix("set http-token-file, or listen on 127.0.0.1"),
    }
}
