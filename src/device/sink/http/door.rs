//! Who is let in: the name by which a browser called us, the page from which it did, and the token.

use super::answer::single;
use super::options::{HttpOptions, is_loopback};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::uri::{Authority, Uri};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// The cookie's name.
const COOKIE: &str = "upres_live";
/// How long a browser remembers: a year, in seconds.
const REMEMBERED: u32 = 365 * 24 * 3600;

/// Why a request goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwelcome {
    /// It does not say whom it calls, or says it twice.
    Nameless,
    /// It calls someone else: another site's name leads here.
    Misnamed,
    /// Another site's page sends it.
    Foreign,
}

/// A token and the cookie that stands for it, as digests: comparing those tells nothing by the time it takes.
#[derive(Clone)]
struct Secret {
    token: [u8; 32],
    cookie: [u8; 32],
    /// What the browser keeps: made from the token, so that it lasts, but not the token.
    value: String,
}

/// What is asked of everyone who comes.
pub(super) struct Door {
    secret: Option<Secret>,
    address: IpAddr,
    hosts: Vec<String>,
}

impl std::fmt::Debug for Door {
    /// Nothing of the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("address", &self.address).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn is_same(given: &str, digested: &[u8; 32]) -> bool {
    digest(given.as_bytes()).ct_eq(digested).into()
}

impl Secret {
    fn new(token: &str) -> Self {
        let value = URL_SAFE_NO_PAD.encode(digest(format!("upres live cookie\0{token}").as_bytes()));
        Self { token: digest(token.as_bytes()), cookie: digest(value.as_bytes()), value }
    }
}

impl Door {
    pub(super) fn new(options: &HttpOptions) -> Self {
        let hosts = options.hosts.iter().map(|host| plain(host)).collect();
        Self { secret: options.token.as_deref().map(Secret::new), address: options.address.ip(), hosts }
    }

    /// Checks that the request calls us by a name of ours, so that no other site's name can be made to lead here (DNS
    /// rebinding).
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Unwelcome> {
        let host = single(headers, header::HOST).ok_or(Unwelcome::Nameless)?;
        let host: Authority = host.parse().map_err(|_| Unwelcome::Nameless)?;
        for authority in [Some(&host), uri.authority()].into_iter().flatten() {
            if authority.as_str().contains('@') || !self.is_ours(authority.host()) {
                return Err(Unwelcome::Misnamed);
            }
        }
        Ok(())
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = plain(host);
        match host.parse::<IpAddr>() {
            // Rebinding needs a name: where every address is listened on, any of them may be ours.
            Ok(ip) => {
                let bound = self.address.to_canonical();
                ip.to_canonical() == bound || is_loopback(ip) || bound.is_unspecified() || self.hosts.contains(&host)
            }
            Err(_) => host == "localhost" || self.hosts.contains(&host),
        }
    }

    /// Whether the request shows that it knows the token, or none is needed.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        let Some(secret) = &self.secret else { return true };
        let bearer = single(headers, header::AUTHORIZATION).and_then(|value| value.split_once(' '));
        let by_token = bearer.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && is_same(token.trim_start(), &secret.token)
        });
        by_token || cookies(headers).any(|value| is_same(value, &secret.cookie))
    }

    /// The cookie that a browser gets for the token; `None` for a wrong one.
    pub(super) fn cookie_for(&self, token: &str) -> Option<String> {
        let secret = self.secret.as_ref().filter(|secret| is_same(token, &secret.token))?;
        Some(format!("{COOKIE}={}; Path=/; Max-Age={REMEMBERED}; HttpOnly; SameSite=Strict", secret.value))
    }

    /// Whether a token is needed at all.
    pub(super) fn is_closed(&self) -> bool {
        self.secret.is_some()
    }
}

/// Checks that a request that changes something comes from a page of ours, or from no page.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Unwelcome> {
    let site = HeaderName::from_static("sec-fetch-site");
    if headers.contains_key(&site) && !matches!(single(headers, site), Some("same-origin" | "none")) {
        return Err(Unwelcome::Foreign);
    }
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = single(headers, header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let host = single(headers, header::HOST).unwrap_or_default();
    match origin {
        Some(("http" | "https", place)) if place.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Unwelcome::Foreign),
    }
}

/// The values of our cookie; browsers send several where paths differ.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// A host without brackets and final dot, in small letters.
fn plain(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn door(address: &str, token: Option<&str>, hosts: &[&str]) -> Door {
        let mut options = HttpOptions::new(address.parse().unwrap_or_else(|e| panic!("{address}: {e}")));
        options.token = token.map(str::to_owned);
        options.hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        Door::new(&options)
    }

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            let value = HeaderValue::from_str(value).unwrap_or_else(|e| panic!("{value}: {e}"));
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    fn host(door: &Door, host: &str) -> Result<(), Unwelcome> {
        door.check_host(&Uri::from_static("/"), &headers(&[("host", host)]))
    }

    #[test]
    fn only_names_of_ours_are_answered_to() {
        let own = door("127.0.0.1:8080", None, &["Pi.local"]);
        for name in
            ["127.0.0.1:8080", "localhost", "LOCALHOST:9", "[::1]:8080", "pi.local:8080", "pi.local.", "127.0.0.2"]
        {
            assert_eq!(host(&own, name), Ok(()), "{name}");
        }
        for name in
            ["evil.example", "localhost.evil.example", "pi.local.evil.example", "10.0.0.1", "x@localhost", "[::2]"]
        {
            assert_eq!(host(&own, name), Err(Unwelcome::Misnamed), "{name}");
        }
        for name in ["", "a b", "localhost, evil.example"] {
            assert_eq!(host(&own, name), Err(Unwelcome::Nameless), "'{name}'");
        }
        let twice = headers(&[("host", "localhost"), ("host", "localhost")]);
        assert_eq!(own.check_host(&Uri::from_static("/"), &twice), Err(Unwelcome::Nameless));
        assert_eq!(own.check_host(&Uri::from_static("/"), &HeaderMap::new()), Err(Unwelcome::Nameless));
        let absolute = Uri::from_static("http://evil.example/state");
        assert_eq!(own.check_host(&absolute, &headers(&[("host", "localhost")])), Err(Unwelcome::Misnamed));
    }

    #[test]
    fn where_all_addresses_are_listened_on_any_address_will_do_but_not_any_name() {
        let open = door("0.0.0.0:80", Some("sixteen letters!"), &[]);
        assert_eq!(host(&open, "192.168.1.7"), Ok(()));
        assert_eq!(host(&open, "[fe80::7]:80"), Ok(()));
        assert_eq!(host(&open, "evil.example"), Err(Unwelcome::Misnamed));
    }

    #[test]
    fn the_token_opens_by_header_and_by_cookie() {
        let token = "a token with = and ; in it";
        let closed = door("127.0.0.1:0", Some(token), &[]);
        let known = |list: &[(&'static str, &str)]| closed.is_known(&headers(list));
        assert!(known(&[("authorization", &format!("Bearer {token}"))]));
        assert!(known(&[("authorization", &format!("bearer {token}"))]));
        let cookie = closed.cookie_for(token).unwrap_or_default();
        let (pair, attributes) = cookie.split_once(';').unwrap_or_default();
        assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Strict"), "{cookie}");
        assert!(!cookie.contains(token));
        assert!(known(&[("cookie", pair)]));
        assert!(known(&[("cookie", &format!("a=b; {COOKIE}=old; {pair}; c"))]));
        assert!(!known(&[]));
        assert!(!known(&[("cookie", &format!("{COOKIE}={token}"))]));
        assert!(!known(&[("authorization", &format!("Basic {token}"))]));
        assert!(!known(&[("authorization", "Bearer a token")]));
        assert!(!known(&[("authorization", &format!("Bearer {token} "))]));
        assert_eq!(closed.cookie_for("a token"), None);
        assert!(door("127.0.0.1:0", None, &[]).is_known(&HeaderMap::new()));
        assert!(!format!("{closed:?}").contains(token));
    }

    #[test]
    fn changes_come_from_our_own_pages_or_from_no_page() {
        let check = |list: &[(&'static str, &str)]| check_origin(&headers(list));
        let ours = ("host", "pi.local:8080");
        assert_eq!(check(&[ours]), Ok(()));
        assert_eq!(check(&[ours, ("origin", "http://pi.local:8080"), ("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(check(&[ours, ("origin", "https://PI.local:8080")]), Ok(()));
        for origin in [
            "null",
            "",
            "http://pi.local",
            "http://evil.example",
            "http://pi.local:8080.evil.example",
            "ftp://pi.local:8080",
        ] {
            assert_eq!(check(&[ours, ("origin", origin)]), Err(Unwelcome::Foreign), "{origin}");
        }
        assert_eq!(check(&[ours, ("sec-fetch-site", "cross-site")]), Err(Unwelcome::Foreign));
        assert_eq!(check(&[ours, ("sec-fetch-site", "same-site")]), Err(Unwelcome::Foreign));
    }
}
