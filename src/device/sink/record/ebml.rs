//! EBML, of which Matroska is made: elements of an identifier, a length and contents.

/// Appends an identifier; its own first bits say how long it is.
pub(super) fn id(id: u32, out: &mut Vec<u8>) {
    let bytes = id.to_be_bytes();
    out.extend_from_slice(&bytes[id.leading_zeros() as usize / 8..]);
}

/// Appends a length in eight bytes, which can be written before it is known.
pub(super) fn length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&((1 << 56) | length.min((1 << 56) - 2)).to_be_bytes());
}

/// The length of what is not finished yet, as [`length`] takes room.
pub(super) const UNKNOWN: [u8; 8] = [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// Appends an element whose contents are bytes.
pub(super) fn bytes(element: u32, contents: &[u8], out: &mut Vec<u8>) {
    id(element, out);
    length(contents.len() as u64, out);
    out.extend_from_slice(contents);
}

/// Appends an element whose contents are a number, in eight bytes.
pub(super) fn number(element: u32, value: u64, out: &mut Vec<u8>) {
    bytes(element, &value.to_be_bytes(), out);
}

/// Appends an element whose contents are a floating-point number.
pub(super) fn float(element: u32, value: f64, out: &mut Vec<u8>) {
    bytes(element, &value.to_be_bytes(), out);
}

/// Appends an element whose contents `fill` appends.
pub(super) fn nest(element: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    id(element, out);
    let at = out.len();
    length(0, out);
    fill(out);
    set_length(at, out);
}

/// Corrects the length that was written at `at`, now that all contents are there.
pub(super) fn set_length(at: usize, out: &mut [u8]) {
    let contents = (out.len() - at - 8) as u64;
    out[at..at + 8].copy_from_slice(&((1 << 56) | contents).to_be_bytes());
}

/// Appends `room` bytes, at least nine, that mean nothing.
pub(super) fn void(room: usize, out: &mut Vec<u8>) {
    out.push(0xec);
    length(room as u64 - 9, out);
    out.resize(out.len() + room - 9, 0);
}
