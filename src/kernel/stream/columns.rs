//! Convolution of a large kernel to a few channels, as the last layer of SRResNet has it. A vector would hold one tap's few outputs
//! and be mostly empty; it holds those of all columns of taps instead. What a column of taps gives at each pixel is summed first,
//! then the columns' sums are added up, each a pixel further along the row.

use super::direct::Direct;
use super::{Activation, BLOCK, Filter, Row, Task};
use crate::kernel::Level;

/// Sums of a pixel at most: columns of taps times outputs.
const MOST_SUMS: usize = 64;

/// A convolution by columns of taps, packed for one level.
#[derive(Debug, Clone)]
pub struct Columns {
    sums: Direct,
    side: usize,
    outputs: usize,
    bias: Vec<f32>,
    activation: Activation,
    add_first: bool,
}

impl Columns {
    /// Whether this saves enough products; the same for every level, since the order of the sums depends on it.
    pub fn pays(filter: &Filter) -> bool {
        let vectors = |outputs: usize| outputs.div_ceil(BLOCK);
        let sums = filter.side * filter.outputs;
        sums <= MOST_SUMS && 4 * filter.side * vectors(sums) <= filter.side * filter.side * vectors(filter.outputs)
    }

    /// Packs `filter`, whose sources stand in blocks, or one channel after the other if `planar`.
    ///
    /// # Panics
    /// Where a pixel has too many sums; [`Columns::pays`] tells.
    pub fn new(level: Level, filter: &Filter, planar: bool) -> Self {
        let (side, outputs) = (filter.side, filter.outputs);
        assert!(side * outputs <= MOST_SUMS, "{outputs} outputs of {side} columns are too many");
        let weight = |sum, input, row, _| filter.weight(sum % outputs, input, row, sum / outputs);
        Self {
            sums: Direct::sums(level, filter, planar, [side, 1], side * outputs, weight),
            side,
            outputs,
            bias: filter.bias.clone(),
            activation: filter.activation.clone(),
            add_first: filter.add_first,
        }
    }

    /// Elements of scratch that [`Self::run`] needs for rows of `width` pixels.
    pub fn scratch(&self, width: usize) -> usize {
        (self.side * self.outputs).div_ceil(BLOCK) * (width + self.side - 1) * BLOCK
    }

    /// Pixels before the first at which the rows of a task have to begin.
    pub fn before(&self) -> usize {
        self.side / 2
    }

    /// Makes a row. The rows that are read begin [`Self::before`] pixels early, in their border.
    ///
    /// # Panics
    /// Where a row does not lie inside the arena with its border, or the scratch is too short.
    pub fn run(&self, arena: &mut [f32], scratch: &mut [f32], task: &Task) {
        let wide = task.width + self.side - 1;
        let sums = Row { start: 0, block: wide * BLOCK, pixel: BLOCK };
        self.sums.run_to(arena, scratch, &Task { rows: task.rows, add: None, out: sums, width: wide });
        let mut places = [0; MOST_SUMS];
        for (sum, place) in places.iter_mut().enumerate().take(self.side * self.outputs) {
            *place = sums.place(sum, sum / self.outputs);
        }
        for o in 0..self.outputs {
            let (out, add) = (task.out.place(o, 0), task.add.map(|add| add.place(o, 0)));
            for x in 0..task.width {
                let mut value = self.bias[o];
                for column in 0..self.side {
                    value += scratch[places[column * self.outputs + o] + x * BLOCK];
                }
                let added = add.map_or(0.0, |add| arena[add + x * BLOCK]);
                arena[out + x * BLOCK] = if self.add_first {
                    self.activation.of(o, value + added)
                } else {
                    self.activation.of(o, value) + added
                };
            }
        }
    }
}
