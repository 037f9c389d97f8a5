//! Whose models are opened: minisign signatures that lie beside the files.
//!
//! A signature stands in `FILE.minisig`, made by `minisign -S -m FILE`. Both of minisign's forms count: over the file's
//! BLAKE2b digest, and over the file itself as old versions wrote it. That they can be told apart only by an unsigned letter
//! does no harm here: a file of one form that is good in the other would have to be 64 bytes of digest, which is no model.

use crate::error::{Error, Kind, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{PublicKey, Signature};
use std::ffi::OsString;
use std::fmt;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The longest files of signatures and keys that are read, in bytes; minisign's own have about 300 and 110.
pub const MOST_BYTES: u64 = 4 << 10;
/// What a key looks like, for those who gave something else.
const LOOKS: &str = "a key is a line such as RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3, or the file \
                     minisign.pub that holds it; 'minisign -G' makes both";

/// What minisign tells keys apart by; shown as minisign shows it, in 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The ID in the base64 of a key or a signature: two letters of the algorithm stand before it.
    fn of(line: &str) -> Option<Self> {
        let bytes = STANDARD.decode(line).ok()?;
        bytes.get(2..10)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What a signature is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A trusted key signed these very bytes, and said this about them.
    Good {
        /// The key.
        key: KeyId,
        /// The trusted comment, without control characters.
        comment: String,
    },
    /// A trusted key signed something, but not these bytes.
    Bad(KeyId),
    /// The signature is of a key that is not trusted; nothing was checked.
    Foreign(KeyId),
    /// There is no signature.
    Missing,
    /// What should be a signature is none, and why.
    Damaged(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good { key, comment } => write!(f, "signed by key {key} ({comment})"),
            Self::Bad(key) => write!(f, "the signature of key {key} is not of these bytes"),
            Self::Foreign(key) => write!(f, "signed by key {key}, which is not among the trusted ones"),
            Self::Missing => f.write_str("not signed"),
            Self::Damaged(why) => write!(f, "the signature {why}"),
        }
    }
}

/// The keys of those whose models are opened; without any, all models are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trust {
    keys: Vec<(KeyId, PublicKey)>,
}

impl Trust {
    /// Trusts the owners of `keys`, each the base64 text of a minisign public key or the file that holds one.
    ///
    /// # Errors
    /// A usage error for what is neither, an I/O error for a file that cannot be read.
    pub fn new(keys: &[impl AsRef<str>]) -> Result<Self> {
        keys.iter().map(|key| key_of(key.as_ref().trim())).collect::<Result<_>>().map(|keys| Self { keys })
    }

    /// Whether models must be signed.
    pub fn demands(&self) -> bool {
        !self.keys.is_empty()
    }

    /// What the signature file's contents say about `bytes`.
    pub fn judge(&self, bytes: &[u8], signature: Option<&[u8]>) -> Verdict {
        let Some(signature) = signature else { return Verdict::Missing };
        if signature.len() as u64 > MOST_BYTES {
            return Verdict::Damaged(format!("is longer than {MOST_BYTES} bytes"));
        }
        let parsed = std::str::from_utf8(signature).ok().and_then(|text| {
            let id = KeyId::of(text.lines().nth(1)?)?;
            Some((id, Signature::decode(text).ok()?))
        });
        let Some((id, signature)) = parsed else { return Verdict::Damaged("is not one of minisign's".into()) };
        let mut own = self.keys.iter().filter(|(key, _)| *key == id).peekable();
        if own.peek().is_none() {
            return Verdict::Foreign(id);
        }
        if own.any(|(_, key)| key.verify(bytes, &signature, true).is_ok()) {
            return Verdict::Good { key: id, comment: plain(signature.trusted_comment()) };
        }
        Verdict::Bad(id)
    }

    /// What the signature beside the file at `path` says about `bytes`, which were read from it.
    ///
    /// # Errors
    /// An I/O error where there is a signature that cannot be read.
    pub fn verdict(&self, path: &Path, bytes: &[u8]) -> Result<Verdict> {
        Ok(self.judge(bytes, short(&beside(path))?.as_deref()))
    }

    /// Lets `bytes`, which were read from the file at `path`, pass where nothing is demanded or a trusted key signed them.
    ///
    /// # Errors
    /// A model error where they must be signed and are not; an I/O error where the signature cannot be read.
    pub fn check(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        if !self.demands() {
            return Ok(());
        }
        let verdict = self.verdict(path, bytes)?;
        let fix = match verdict {
            Verdict::Good { .. } => return Ok(()),
            Verdict::Missing => format!("'minisign -S -m {}' signs it, where the key is yours", path.display()),
            Verdict::Foreign(_) => "give this key as well with --trusted-key, if you trust its owner".into(),
            Verdict::Bad(_) | Verdict::Damaged(_) => "get the file and its signature again from where they come".into(),
        };
        Err(Error::model(format!("{} is refused: {verdict}", path.display())).fix(fix))
    }
}

/// Where the signature of the file at `path` lies.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".minisig");
    name.into()
}

/// Foreign text fit for one line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A file that is at most a byte longer than [`MOST_BYTES`], as far as that; nothing where there is none.
fn short(path: &Path) -> Result<Option<Vec<u8>>> {
    let cannot = |e| Error::io("cannot read", path, e);
    match std::fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(cannot(e)),
        // Opening a pipe might wait for ever.
        Ok(metadata) if !metadata.is_file() => {
            return Err(Error::new(Kind::Io, format!("{} is no ordinary file", path.display())));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(Some(bytes))
}

/// The key in `text`, or in the file of that name.
fn key_of(text: &str) -> Result<(KeyId, PublicKey)> {
    if let Some(key) = key_in(text) {
        return Ok(key);
    }
    let path = Path::new(text);
    // What is so long may be a secret key, which no log should keep.
    let shown = if text.len() > 100 { text.chars().take(12).chain(['…']).collect() } else { text.to_owned() };
    let bytes = match short(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            return Err(Error::usage(format!("'{shown}' is no key, and no file of this name is there")).fix(LOOKS));
        }
        Err(_) => {
            return Err(Error::usage(format!("'{shown}' is no key, and no ordinary file that can be read")).fix(LOOKS));
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let keys = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("untrusted comment:"));
    match keys.collect::<Vec<_>>()[..] {
        [line] => key_in(line),
        _ => None,
    }
    .ok_or_else(|| {
        let what = if text.contains("secret key") { "holds a secret key, not the public one" } else { "holds no key" };
        Error::usage(format!("{} {what}", path.display())).fix(LOOKS)
    })
}

fn key_in(line: &str) -> Option<(KeyId, PublicKey)> {
    Some((KeyId::of(line)?, PublicKey::from_base64(line).ok()?))
}

#[cfg(test)]
mod tests;
