//! The configuration file, and the token that it names.

use super::system::serves;
use super::{Case, Finding};
use crate::device::sink::http::HttpOptions;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What systemd hands over to the service.
const CREDENTIALS: &str = "/run/credentials/upres-live.service";
/// The file of it (`LoadCredential=`).
const TOKEN: &str = "/etc/upres/token";

pub(super) fn configuration(case: &Case) -> Vec<Finding> {
    let asked = case.asked;
    let Some(file) = &asked.configuration else {
        return vec![Finding::note("configuration", "none; upres live goes by its flags and the board")];
    };
    let fix = "correct it; 'upres live --help' tells the keys, board/live.toml is an example";
    let mut findings = vec![match &asked.refused {
        Some(why) => Finding::trouble("configuration", why.clone()).fix(fix),
        None => Finding::ok("configuration", format!("{} can be followed", file.display())),
    }];
    findings.extend(asked.token_file.as_deref().and_then(|file| token_file(case, file)));
    findings.extend(asked.http.as_deref().map(|address| address_of(case, address)));
    findings
}

/// The file that systemd hands over as `file`, if it does.
fn handed_over(file: &Path) -> Option<&'static Path> {
    file.starts_with(CREDENTIALS).then_some(Path::new(TOKEN))
}

/// Whether the token is there, and whether others can read it.
fn token_file(case: &Case, file: &Path) -> Option<Finding> {
    let own = handed_over(file);
    let (place, shown) = (own.unwrap_or(file), own.unwrap_or(file).display());
    let metadata = match case.tree.look(place, &case.user) {
        Ok(metadata) => metadata,
        Err(ErrorKind::PermissionDenied) => {
            return Some(Finding::note("token", format!("{shown} stands where this user may not look")));
        }
        Err(_) if own.is_some() => {
            let found = format!("{shown}, which systemd hands over as {}, is not there", file.display());
            return Some(Finding::trouble("token", found).fix(format!(
                "sudo sh -c 'umask 077; openssl rand -hex 16 > {shown}'; sudo systemctl restart upres-live"
            )));
        }
        Err(_) => {
            let fix = format!("(umask 077; openssl rand -hex 16 > {shown}), or name the file that has it");
            return Some(Finding::trouble("token", format!("{shown} is not there")).fix(fix));
        }
    };
    if own.is_none()
        && serves(case)
        && let Some(finding) = not_handed_over(case, file, metadata.mode())
    {
        return Some(finding);
    }
    if metadata.mode() & 0o007 != 0 {
        return Some(
            Finding::warning("token", format!("{shown} can be read by every user of this machine"))
                .fix(format!("sudo chmod o-rwx {shown}")),
        );
    }
    own.map(|_| Finding::note("token", format!("{shown} is handed over by systemd where the service runs")))
}

/// What there is to say of a token that the service is to read by itself.
fn not_handed_over(case: &Case, file: &Path, mode: u32) -> Option<Finding> {
    // Its user is another at each start, and in these groups (`SupplementaryGroups=`).
    let groups = ["video", "render", "spi", "gpio"];
    let shown = file.display();
    let finding = if mode & 0o004 != 0 {
        Finding::warning("token", format!("{shown} can be read by every user of this machine"))
    } else if mode & 0o040 == 0 || !case.tree.group(file).is_some_and(|group| groups.contains(&group.as_str())) {
        Finding::trouble("token", format!("{shown} cannot be read by the service"))
    } else {
        return None;
    };
    let keep = if file == Path::new(TOKEN) {
        format!("sudo chmod 600 {TOKEN}")
    } else {
        format!("sudo install -m 600 {shown} {TOKEN}")
    };
    let write = format!("http-token-file = \"{CREDENTIALS}/token\"");
    Some(finding.fix(format!("{keep}; write {write} into the configuration; sudo systemctl restart upres-live")))
}

/// Whether the page may be served at `address`.
fn address_of(case: &Case, address: &str) -> Finding {
    let Ok(socket) = address.parse::<SocketAddr>() else {
        let fix = "write ADDRESS:PORT, such as 127.0.0.1:8080";
        return Finding::trouble("http", format!("'{address}' is no address")).fix(fix);
    };
    let file = case.asked.token_file.as_ref();
    let text = file.and_then(|file| case.tree.text(file).or_else(|| case.tree.text(handed_over(file)?)));
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
