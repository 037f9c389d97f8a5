//! What a panel must be sent: the rows that differ from what it shows, as windows of whole rows.

use crate::geometry::Size;
use std::ops::Range;

/// Unchanged rows that are sent along rather than beginning a new window, which costs about as much as they do.
const GAP: usize = 1;

/// What a panel shows (RGB565) and which rows wait to be sent.
#[derive(Debug)]
pub(super) struct Changes {
    size: Size,
    pixels: Vec<u16>,
    waiting: Vec<bool>,
}

impl Changes {
    /// Of a panel that shows nobody knows what: everything waits.
    pub(super) fn new(size: Size) -> Self {
        Self { size, pixels: vec![0; size.area()], waiting: vec![true; size.height] }
    }

    /// Width and height of the panel.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Takes row `y` (XRGB8888) of the next picture.
    pub(super) fn take(&mut self, y: usize, row: &[u32]) {
        let (Some(waiting), width) = (self.waiting.get_mut(y), self.size.width) else { return };
        let mut differs = 0;
        for (held, &pixel) in self.pixels[y * width..][..width].iter_mut().zip(row) {
            let pixel = super::rgb565(pixel);
            differs |= *held ^ pixel;
            *held = pixel;
        }
        *waiting |= differs != 0;
    }

    /// Sends what waits: rows and their pixels, windows from the top. What fails waits on.
    ///
    /// # Errors
    /// Those of `send`.
    pub(super) fn send<E>(&mut self, mut send: impl FnMut(Range<usize>, &[u16]) -> Result<(), E>) -> Result<(), E> {
        while let Some(begin) = self.waiting.iter().position(|&waits| waits) {
            let mut end = begin + 1;
            while let Some(ahead) = self.waiting[end..].iter().take(GAP + 1).position(|&waits| waits) {
                end += ahead + 1;
            }
            send(begin..end, &self.pixels[begin * self.size.width..end * self.size.width])?;
            self.waiting[begin..end].fill(false);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: [u32; 3] = [0x00ff_ffff; 3];

    fn sent(changes: &mut Changes) -> Vec<(Range<usize>, Vec<u16>)> {
        let mut windows = Vec::new();
        let sent: Result<(), ()> = changes.send(|rows, pixels| {
            windows.push((rows, pixels.to_vec()));
            Ok(())
        });
        assert_eq!(sent, Ok(()));
        windows
    }

    #[test]
    fn everything_first_then_only_what_changed() {
        let mut changes = Changes::new(Size::new(3, 8));
        assert_eq!(sent(&mut changes), [(0..8, vec![0; 24])]);
        assert_eq!(sent(&mut changes), []);
        (0..8).for_each(|y| changes.take(y, &[0; 3]));
        assert_eq!(sent(&mut changes), []);
        changes.take(1, &WHITE);
        changes.take(3, &[0, 0x00f8_0000, 0]);
        changes.take(7, &WHITE);
        let white = [0xffff; 3];
        let near = [white, [0; 3], [0, 0xf800, 0]].concat();
        assert_eq!(sent(&mut changes), [(1..4, near), (7..8, white.to_vec())]);
    }

    #[test]
    fn differences_too_small_for_16_bits_are_none() {
        let mut changes = Changes::new(Size::new(3, 1));
        sent(&mut changes);
        changes.take(0, &[0x0007_0307; 3]);
        assert_eq!(sent(&mut changes), []);
    }

    #[test]
    fn what_could_not_be_sent_is_sent_again() {
        let mut changes = Changes::new(Size::new(3, 4));
        let mut windows = 0;
        assert_eq!(changes.send(|_, _| Err(())), Err(()));
        assert_eq!(
            changes.send(|_, _| {
                windows += 1;
                Ok::<_, ()>(())
            }),
            Ok(())
        );
        assert_eq!(windows, 1);
    }

    #[test]
    fn rows_beyond_the_panel_are_left_out() {
        let mut changes = Changes::new(Size::new(3, 1));
        sent(&mut changes);
        changes.take(5, &WHITE);
        changes.take(0, &[0x00ff_ffff; 9]);
        assert_eq!(sent(&mut changes), [(0..1, vec![0xffff; 3])]);
    }
}
