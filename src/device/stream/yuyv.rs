//! YUYV, what most webcams give without compression: two pixels in four bytes, luma, blue, luma, red.

/// Takes the packed pixels of `packed` apart: luma, then the two chroma planes of half its width, one after the other in `planar`. Both
/// are as long, two bytes a pixel; what is left over in the longer one stays as it is.
pub fn unpack_yuyv(packed: &[u8], planar: &mut [u8]) {
    let pairs = packed.len().min(planar.len()) / 4;
    let (luma, chroma) = planar.split_at_mut(2 * pairs);
    let (blue, red) = chroma.split_at_mut(pairs);
    let groups = packed.as_chunks::<4>().0.iter();
    for (((group, luma), blue), red) in groups.zip(luma.as_chunks_mut::<2>().0).zip(blue).zip(red) {
        *luma = [group[0], group[2]];
        *blue = group[1];
        *red = group[3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_told_apart() {
        // Two rows of four pixels.
        let packed: Vec<u8> = (0..16).collect();
        let mut planar = [255; 16];
        unpack_yuyv(&packed, &mut planar);
        assert_eq!(planar, [0, 2, 4, 6, 8, 10, 12, 14, 1, 5, 9, 13, 3, 7, 11, 15]);
    }
}
