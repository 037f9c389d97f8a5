//! EXIF directories as lists of entries, for TIFF files, which hold them as their own.

use super::{EXIF_DIRECTORY, Entry, GPS_DIRECTORY, INTEROP_DIRECTORY, LONG, ORIENTATION, SHORT, View, size_of_kind};

/// What tells of the picture rather than of how its samples are stored: the entries of IFD0 that move between files.
pub(in crate::codec) const DESCRIPTIVE: [u16; 18] = [
    0x010D, 0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x8298, 0x9C9B,
    0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,
];

/// An entry taken out of its file, its value in little-endian order.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::codec) struct Field {
    pub(in crate::codec) tag: u16,
    pub(in crate::codec) kind: u16,
    pub(in crate::codec) value: Vec<u8>,
}

/// The directories of a block, for TIFF files, which hold them as their own.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::codec) struct Fields {
    pub(in crate::codec) first: Vec<Field>,
    pub(in crate::codec) exif: Vec<Field>,
    pub(in crate::codec) gps: Vec<Field>,
}

impl Fields {
    /// The entries of `block` that make sense in another file.
    pub(in crate::codec) fn of(block: &[u8]) -> Option<Self> {
        let view = View::new(block)?;
        let first = view.first()?;
        let linked = |tag| view.linked(first, tag).map(|at| view.fields(at)).unwrap_or_default();
        let mut fields = Self { first: view.fields(first), exif: linked(EXIF_DIRECTORY), gps: linked(GPS_DIRECTORY) };
        fields.first.retain(|field| DESCRIPTIVE.contains(&field.tag));
        fields.exif.retain(|field| field.tag != INTEROP_DIRECTORY);
        Some(fields)
    }

    /// A block of its own, little-endian; `None` where there is nothing to tell.
    pub(in crate::codec) fn to_block(&self) -> Option<Vec<u8>> {
        if self.first.is_empty() && self.exif.is_empty() && self.gps.is_empty() {
            return None;
        }
        let upright = Field { tag: ORIENTATION, kind: SHORT, value: vec![1, 0] };
        let mut block = b"II*\0\x08\0\0\0".to_vec();
        let mut first: Vec<Field> = self.first.clone();
        first.push(upright);
        let links: Vec<_> = [(EXIF_DIRECTORY, &self.exif), (GPS_DIRECTORY, &self.gps)]
            .into_iter()
            .filter(|(_, fields)| !fields.is_empty())
            .collect();
        first.extend(links.iter().map(|&(tag, _)| Field { tag, kind: LONG, value: vec![0; 4] }));
        first.sort_by_key(|field| field.tag);
        let at = put_directory(&mut block, &first)?;
        for (tag, fields) in links {
            let target = put_directory(&mut block, fields)? as u32;
            let place = first.iter().position(|field| field.tag == tag)?;
            block.get_mut(at + 2 + 12 * place + 8..)?.get_mut(..4)?.copy_from_slice(&target.to_le_bytes());
        }
        Some(block)
    }
}

/// Appends a directory and then its values; where it begins.
fn put_directory(block: &mut Vec<u8>, fields: &[Field]) -> Option<usize> {
    let at = block.len();
    let mut values_at = at + 2 + 12 * fields.len() + 4;
    let mut values = Vec::new();
    block.extend(u16::try_from(fields.len()).ok()?.to_le_bytes());
    for field in fields {
        let count = field.value.len() / size_of_kind(field.kind)?;
        block.extend(field.tag.to_le_bytes());
        block.extend(field.kind.to_le_bytes());
        block.extend(u32::try_from(count).ok()?.to_le_bytes());
        let mut slot = [0; 4];
        if field.value.len() <= 4 {
            slot[..field.value.len()].copy_from_slice(&field.value);
        } else {
            slot = u32::try_from(values_at).ok()?.to_le_bytes();
            values.extend_from_slice(&field.value);
            values.resize(values.len().next_multiple_of(2), 0);
            values_at = at + 2 + 12 * fields.len() + 4 + values.len();
        }
        block.extend(slot);
    }
    block.extend([0; 4]);
    block.extend(values);
    Some(at)
}

/// Turns the numbers in `value` around, from one byte order to the other.
pub(in crate::codec) fn swap_order(kind: u16, value: &mut [u8]) {
    let width = match kind {
        SHORT | 8 => 2,
        LONG | 5 | 9 | 10 | 11 | 13 => 4, // rationals are pairs of four bytes
        12 => 8,
        _ => 1,
    };
    value.chunks_exact_mut(width).for_each(<[u8]>::reverse);
}

impl View<'_> {
    /// The entries of the directory at `directory`, with their values in little-endian order.
    fn fields(&self, directory: usize) -> Vec<Field> {
        let field = |entry: Entry| {
            let mut value = self.value(&entry)?.to_vec();
            if !self.little {
                swap_order(entry.kind, &mut value);
            }
            Some(Field { tag: entry.tag, kind: entry.kind, value })
        };
        self.entries(directory).into_iter().filter_map(field).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{block, read};
    use super::*;

    #[test]
    fn fields_survive_being_laid_out_anew() {
        for little in [true, false] {
            let fields = Fields::of(&block(little, 3)).unwrap();
            assert_eq!(fields.first, [Field { tag: 0x010F, kind: 2, value: b"Telescope\0".to_vec() }]);
            assert_eq!(fields.exif.len(), 2);
            let laid = fields.to_block().unwrap();
            assert_eq!(Fields::of(&laid), Some(fields));
            assert_eq!(read(&laid, super::super::PIXEL_WIDTH), Some(640));
            assert_eq!(read(&laid, ORIENTATION), Some(1));
        }
    }
}
