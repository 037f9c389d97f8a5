//! How far an operator looks: which samples of its input one sample of its output depends on, along one axis.

use crate::error::{Error, Result};

/// Output samples a to b of an axis depend on input samples ⌊(a·mul + low) / div⌋ to ⌊(b·mul + high) / div⌋.
///
/// One form for all: a convolution of stride s, padding p and reach k has mul = s, low = −p, high = k − p; a pixel
/// shuffle by r has div = r.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) mul: i64,
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) div: i64,
}

impl Reach {
    /// Each sample depends on its own place only.
    pub(super) const SAME: Self = Self { mul: 1, low: 0, high: 0, div: 1 };

    /// A window that starts `low` samples from its place times `stride` and ends `high` samples from it.
    pub(super) const fn window(stride: i64, low: i64, high: i64) -> Self {
        Self { mul: stride, low, high, div: 1 }
    }

    /// `r` samples out of each sample in.
    pub(super) const fn split(r: i64) -> Self {
        Self { mul: 1, low: 0, high: 0, div: r }
    }

    /// The input samples that output samples `span` depend on.
    pub(super) const fn back(self, span: Span) -> Span {
        Span {
            first: (span.first * self.mul + self.low).div_euclid(self.div),
            last: (span.last * self.mul + self.high).div_euclid(self.div),
        }
    }
}

/// Samples `first` to `last` of an axis, counted from the picture's corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Span {
    /// Both spans and what lies between.
    pub(super) fn join(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// Samples of an axis for each low-resolution pixel, as a reduced fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    numerator: i64,
    denominator: i64,
}

impl Rate {
    /// The input's own grid.
    pub(super) const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// The rate after an operator that looks back by `reach`.
    pub(super) fn after(self, reach: Reach) -> Result<Self> {
        let (n, d) = (self.numerator * reach.div, self.denominator * reach.mul);
        let common = gcd(n, d);
        let rate = Self { numerator: n / common, denominator: d / common };
        if rate.numerator > 4096 || rate.denominator > 4096 {
            return Err(Error::model("the layers enlarge or shrink the picture by more than 4096"));
        }
        Ok(rate)
    }

    /// The rate as a whole number, where it is one: only then does a shift by one input pixel shift this grid by whole
    /// samples.
    pub(super) fn whole(self) -> Option<i64> {
        (self.denominator == 1).then_some(self.numerator)
    }

    /// Input pixels between two samples, where the grid is coarser than the input.
    pub(super) fn stride(self) -> i64 {
        self.denominator
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}
