//! What the server is told, and what it refuses to do.

use crate::error::{Error, Result};
use std::net::{IpAddr, SocketAddr};

/// The shortest token that opens anything but loopback, in characters.
const SHORTEST_TOKEN: usize = 16;
/// The most clients that may be allowed.
const MOST_CLIENTS: usize = 4096;

/// Where and for whom the server serves.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// What visitors must know: at least 16 characters where the address is not loopback.
    pub token: Option<String>,
    /// Names, besides the address itself and `localhost`, by which browsers may call this machine.
    pub hosts: Vec<String>,
    /// How many may watch at a time.
    pub clients: usize,
    /// Quality of the pictures, 1 to 100.
    pub quality: u8,
}

impl std::fmt::Debug for HttpOptions {
    /// All but the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOptions")
            .field("address", &self.address)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("hosts", &self.hosts)
            .field("clients", &self.clients)
            .field("quality", &self.quality)
            .finish()
    }
}

impl HttpOptions {
    /// No token, 64 clients, quality 80.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, token: None, hosts: Vec::new(), clients: 64, quality: 80 }
    }

    /// Checks that what is asked for can be, and that nobody uninvited can look in.
    ///
    /// # Errors
    /// A usage error for an open address without a token of 16 characters, for names that are none, and for numbers out of
    /// range.
    pub fn check(&self) -> Result<()> {
        let length = self.token.as_deref().map(|token| token.chars().count());
        if !is_loopback(self.address.ip()) && length.is_none_or(|n| n < SHORTEST_TOKEN) {
            let found = length.map_or_else(|| "no token".to_owned(), |n| format!("a token of {n} characters"));
            return Err(Error::usage(format!("anyone in the network could look in at {}, with {found}", self.address))
                .fix(format!(
                    "give a token of at least {SHORTEST_TOKEN} characters ('openssl rand -hex 16' makes one), or listen on \
                     127.0.0.1"
                )));
        }
        if length == Some(0) {
            return Err(Error::usage("the web server's token is empty").fix("leave it away, or give a longer one"));
        }
        if let Some(host) = self.hosts.iter().find(|host| !is_name(host)) {
            return Err(Error::usage(format!("'{host}' is no name of a machine"))
                .fix("give it as it stands in the browser's address line, without http:// and port"));
        }
        if !(1..=MOST_CLIENTS).contains(&self.clients) {
            return Err(Error::usage(format!("{} clients cannot be served", self.clients))
                .fix(format!("1 to {MOST_CLIENTS} can be allowed")));
        }
        if !(1..=100).contains(&self.quality) {
            return Err(Error::usage(format!("there is no JPEG quality {}", self.quality)).fix("1 to 100"));
        }
        Ok(())
    }
}

/// Whether only this machine can reach the address; an IPv4 address dressed as IPv6 counts as what it is.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn is_name(host: &str) -> bool {
    let letters = host.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._".contains(&c));
    (letters && !host.is_empty()) || host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn options(address: &str, token: Option<&str>) -> HttpOptions {
        let address = address.parse().unwrap_or_else(|e| panic!("{address}: {e}"));
        HttpOptions { token: token.map(str::to_owned), ..HttpOptions::new(address) }
    }

    #[test]
    fn only_loopback_goes_without_a_good_token() {
        for open in ["0.0.0.0:80", "192.168.1.5:8080", "[::]:80", "[fe80::1]:80", "[::ffff:10.0.0.1]:80"] {
            for token in [None, Some(""), Some("fifteen letters")] {
                let error = options(open, token).check().map_err(|e| (e.kind(), e.to_string()));
                assert!(matches!(&error, Err((Kind::Usage, text)) if text.contains("openssl")), "{open}: {error:?}");
            }
            assert!(options(open, Some("sixteen letters!")).check().is_ok(), "{open}");
        }
        for own in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:8080", "[::ffff:127.0.0.1]:80"] {
            assert!(options(own, None).check().is_ok(), "{own}");
            assert!(options(own, Some("short")).check().is_ok(), "{own}");
            assert!(options(own, Some("")).check().is_err(), "{own}");
        }
    }

    #[test]
    fn nonsense_is_refused_and_the_token_is_not_printed() {
        let good = options("127.0.0.1:0", Some("sixteen letters!"));
        for host in ["", "http://pi.local", "pi local", "pi:80", "pi/"] {
            assert!(HttpOptions { hosts: vec![host.to_owned()], ..good.clone() }.check().is_err(), "'{host}'");
        }
        let hosts = ["pi.local", "10.0.0.7", "fe80::1"].map(str::to_owned).to_vec();
        assert!(HttpOptions { hosts, ..good.clone() }.check().is_ok());
        assert!(HttpOptions { clients: 0, ..good.clone() }.check().is_err());
        assert!(HttpOptions { quality: 0, ..good.clone() }.check().is_err());
        assert!(HttpOptions { quality: 101, ..good.clone() }.check().is_err());
        assert!(!format!("{good:?}").contains("sixteen"));
    }
}
