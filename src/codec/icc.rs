//! Which colour profiles may travel with which rows.

use crate::frame::Layout;

/// Whether `profile` describes colours of `layout`: its header must be whole and its colour space RGB or grey accordingly.
///
/// A CMYK profile, for one, says nothing about the RGB rows that a CMYK file is read into.
pub(super) fn fits(profile: &[u8], layout: Layout) -> bool {
    let space: &[u8] = if layout.colours() == 3 { b"RGB " } else { b"GRAY" };
    profile.len() >= 128 && profile.get(16..20) == Some(space) && profile.get(36..40) == Some(b"acsp")
}

/// `profile` if it fits, with a warning in the log where it is dropped.
pub(super) fn keep_fitting(profile: Option<Vec<u8>>, layout: Layout) -> Option<Vec<u8>> {
    let profile = profile?;
    if fits(&profile, layout) {
        return Some(profile);
    }
    log::warn!("the colour profile does not describe {layout:?} colours and is dropped");
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A profile that is all header: `length` bytes of colour space `space`.
    pub(in super::super) fn profile(space: [u8; 4], length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length).map(|i| (i * 7 + i / 256) as u8).collect();
        bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
        bytes[16..20].copy_from_slice(&space);
        bytes[36..40].copy_from_slice(b"acsp");
        bytes
    }

    #[test]
    fn only_profiles_of_the_rows_colours_fit() {
        assert!(fits(&profile(*b"RGB ", 200), Layout::Rgba));
        assert!(fits(&profile(*b"GRAY", 200), Layout::GreyAlpha));
        assert!(!fits(&profile(*b"GRAY", 200), Layout::Rgb));
        assert!(!fits(&profile(*b"CMYK", 200), Layout::Rgb));
        assert!(!fits(&profile(*b"RGB ", 200)[..127], Layout::Rgb));
        assert!(!fits(&[0; 200], Layout::Rgb));
    }
}
