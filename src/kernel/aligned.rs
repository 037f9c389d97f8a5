//! Numbers that begin where a cache line begins, so that no vector of them lies across two.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;

/// A fixed number of elements, the first of them at the start of a cache line.
#[derive(Debug)]
pub struct Aligned<T> {
    store: Vec<T>,
    first: usize,
    count: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `count` elements of value zero.
    pub fn zeros(count: usize) -> Self {
        let spare = LINE / size_of::<T>();
        let store = vec![T::default(); count + spare];
        // Where no offset is known, any will do: alignment is for speed only.
        let first = store.as_ptr().align_offset(LINE).min(spare);
        Self { store, first, count }
    }

    /// A copy of `elements`.
    pub fn of(elements: &[T]) -> Self {
        let mut copy = Self::zeros(elements.len());
        copy.copy_from_slice(elements);
        copy
    }
}

impl<T: Copy + Default> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        Self::of(self)
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.store[self.first..self.first + self.count]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.store[self.first..self.first + self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_begin_at_a_line_as_well() {
        let one = Aligned::of(&[1.0_f32, 2.0, 3.0]);
        let other = one.clone();
        assert_eq!(&*other, &[1.0, 2.0, 3.0]);
        assert!(one.as_ptr().begins_a_line() && other.as_ptr().begins_a_line());
        assert!(Aligned::<i8>::zeros(0).is_empty());
    }

    #[test]
    #[ignore = "wrong on purpose: tests/asan.sh sees by it that the address sanitizer is at work"]
    #[allow(unsafe_code)]
    fn reads_behind_its_end() {
        let floats = std::hint::black_box(vec![1.0_f32; 16]);
        // SAFETY: there is none.
        std::hint::black_box(unsafe { floats.as_ptr().add(floats.len()).read_volatile() });
    }

    trait Line {
        fn begins_a_line(self) -> bool;
    }

    impl<T> Line for *const T {
        fn begins_a_line(self) -> bool {
            self.addr().is_multiple_of(LINE)
        }
    }
}
