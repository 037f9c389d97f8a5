//! Arrays from an `.npz` file: a ZIP archive (PKWARE's APPNOTE 6.3) of `.npy` files (numpy's NEP 1), stored or deflated.
//!
//! Just what numpy's `savez` and `savez_compressed` write of arrays of f32 and f64: no encryption, no parts, no sizes of more
//! than 32 bits. Every length in the file is checked against the file before it is used, and every checksum is compared.

use crate::error::{Error, Result};
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// The largest file that is read, and the largest array in it, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// The arrays of a file by their names, still packed.
#[derive(Debug)]
pub(super) struct Npz {
    bytes: Vec<u8>,
    entries: BTreeMap<String, Entry>,
}

/// An array, in the order of rows.
#[derive(Debug, PartialEq)]
pub(super) struct Array {
    /// Sides, the outermost first.
    pub(super) shape: Vec<usize>,
    /// The product of the sides many values.
    pub(super) values: Vec<f64>,
}

/// What the archive's directory says of one file.
#[derive(Debug, Clone, Copy)]
struct Entry {
    flags: u16,
    method: u16,
    checksum: u32,
    packed: usize,
    size: usize,
    /// Where its local header begins.
    header: usize,
}

impl Npz {
    /// Reads the file's directory.
    ///
    /// # Errors
    /// An I/O error where the file cannot be read, an input error where it is no archive or too large.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let refused = |e| Error::io("cannot read", path, e);
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(refused)?;
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(refused)?;
        Self::from_bytes(bytes).map_err(|e| e.at(path.display()))
    }

    /// As [`Npz::open`], of a file in memory.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::input(format!("more than {MAX_BYTES} bytes are too many for an .npz file of weights")));
        }
        let entries = directory(&bytes).ok_or_else(|| {
            Error::input("this is not an .npz file, or it is cut off")
                .fix("fetch the file again, as numpy's savez wrote it")
        })?;
        Ok(Self { bytes, entries })
    }

    /// The array of that name.
    ///
    /// # Errors
    /// An input error where there is none, or it is damaged or of a kind that is not read.
    pub(super) fn array(&self, name: &str) -> Result<Array> {
        let entry = self.entries.get(&format!("{name}.npy")).ok_or_else(|| {
            let there: Vec<&str> = self.entries.keys().map(|file| file.trim_end_matches(".npy")).collect();
            Error::input(format!("it holds no array '{name}', but {}", there.join(", "))).fix("name the right file")
        })?;
        unpack(&self.bytes, *entry).and_then(|bytes| array(&bytes)).map_err(|e| e.at(format!("array '{name}'")))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

/// The entries of an archive (APPNOTE 4.3.12 and 4.3.16); `None` where something points outside it.
fn directory(bytes: &[u8]) -> Option<BTreeMap<String, Entry>> {
    const END: usize = 22;
    let last = bytes.len().checked_sub(END)?;
    let is_end = |at: &usize| {
        let comment = u16_at(bytes, at + 20).map(usize::from);
        bytes[*at..].starts_with(b"PK\x05\x06") && comment == Some(last - at)
    };
    let end = (last.saturating_sub(usize::from(u16::MAX))..=last).rev().find(is_end)?;
    let count = u16_at(bytes, end + 10)?;
    let mut rest = bytes.get(u32_at(bytes, end + 16)? as usize..end)?;
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        if !rest.starts_with(b"PK\x01\x02") {
            return None;
        }
        let [name, extra, comment] = [28, 30, 32].map(|at| u16_at(rest, at).map(usize::from));
        let next = 46 + name? + extra? + comment?;
        let entry = Entry {
            flags: u16_at(rest, 8)?,
            method: u16_at(rest, 10)?,
            checksum: u32_at(rest, 16)?,
            packed: u32_at(rest, 20)? as usize,
            size: u32_at(rest, 24)? as usize,
            header: u32_at(rest, 42)? as usize,
        };
        entries.insert(String::from_utf8_lossy(rest.get(46..46 + name?)?).into_owned(), entry);
        rest = rest.get(next..)?;
    }
    Some(entries)
}

/// The packed bytes of an entry, behind its local header (APPNOTE 4.3.7).
fn packed(bytes: &[u8], entry: Entry) -> Option<&[u8]> {
    let local = bytes.get(entry.header..).filter(|local| local.starts_with(b"PK\x03\x04"))?;
    let skip = 30 + usize::from(u16_at(local, 26)?) + usize::from(u16_at(local, 28)?);
    local.get(skip..)?.get(..entry.packed)
}

/// The file that an entry stands for.
fn unpack(bytes: &[u8], entry: Entry) -> Result<Vec<u8>> {
    let damaged = || Error::input("it is damaged").fix("fetch the file again");
    if entry.flags & 1 != 0 {
        return Err(Error::input("it is encrypted"));
    }
    if entry.size > MAX_BYTES {
        return Err(Error::input(format!("{} bytes are too many", entry.size)));
    }
    let packed = packed(bytes, entry).ok_or_else(damaged)?;
    let mut file = Vec::new();
    match entry.method {
        0 => file.extend_from_slice(packed),
        8 => {
            let most = entry.size as u64 + 1;
            DeflateDecoder::new(packed).take(most).read_to_end(&mut file).map_err(|e| damaged().caused_by(e))?;
        }
        other => return Err(Error::input(format!("it is packed by method {other}")).fix("store or deflate it")),
    }
    let mut crc = Crc::new();
    crc.update(&file);
    if file.len() != entry.size || crc.sum() != entry.checksum {
        return Err(damaged());
    }
    Ok(file)
}

/// The array of a `.npy` file.
fn array(file: &[u8]) -> Result<Array> {
    let (header, data) = header(file).ok_or_else(|| Error::input("it is not an .npy file"))?;
    let kind = field(header, "descr").unwrap_or_default().trim_matches(['\'', '"']);
    let by_columns = field(header, "fortran_order") == Some("True");
    let shape = field(header, "shape").and_then(shape).ok_or_else(|| Error::input("its shape cannot be read"))?;
    let values: Vec<f64> = match kind {
        "<f8" => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        "<f4" => data.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        other => return Err(Error::input(format!("its values are '{other}'")).fix("save it as <f4 or <f8")),
    };
    let bytes = if kind == "<f8" { 8 } else { 4 };
    let wanted = shape.iter().try_fold(bytes, |product: usize, side| product.checked_mul(*side));
    if wanted != Some(data.len()) {
        return Err(Error::input(format!("its {} bytes do not fill its shape {shape:?}", data.len())));
    }
    match (by_columns, &shape[..]) {
        (false, _) | (true, [] | [_]) => Ok(Array { shape, values }),
        (true, &[rows, columns]) => {
            let values = (0..rows * columns).map(|i| values[i % columns * rows + i / columns]).collect();
            Ok(Array { shape, values })
        }
        (true, _) => Err(Error::input("more than two sides in Fortran's order are not read")),
    }
}

/// The description at the head of a `.npy` file, and what follows it.
fn header(file: &[u8]) -> Option<(&str, &[u8])> {
    let rest = file.strip_prefix(b"\x93NUMPY")?;
    let (length, begin) = match rest.first()? {
        1 => (usize::from(u16_at(rest, 2)?), 4),
        2 | 3 => (u32_at(rest, 2)? as usize, 6),
        _ => return None,
    };
    let (text, data) = rest.get(begin..)?.split_at_checked(length)?;
    Some((std::str::from_utf8(text).ok()?, data))
}

/// The value of `key` in a description such as `{'descr': '<f8', 'fortran_order': False, 'shape': (1, 36), }`.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    let rest = rest.trim_start();
    let end = if rest.starts_with('(') { rest.find(')')? + 1 } else { rest.find([',', '}'])? };
    Some(rest[..end].trim_end())
}

/// `(1, 36)`, `(36,)` or `()` as numbers.
fn shape(text: &str) -> Option<Vec<usize>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    inner.split(',').map(str::trim).filter(|side| !side.is_empty()).map(|side| side.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
