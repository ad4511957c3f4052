//! A batch of rows of the table of chunks, column by column.

use arrow_array::RecordBatch;
use arrow_array::types::{Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type};

use super::Fed;
use super::arrow::{Lists, Numbers, lists, nullable, numbers};
use super::chunk::Packed;

/// What makes up the points of chunks; who reads a batch looks for the rest itself.
pub struct Chunks<'a> {
    pub start: &'a [i64],
    step: &'a [i64],
    count: &'a [u16],
    offsets: Lists<'a, Int64Type>,
    kind: &'a [u8],
    scale: &'a [u8],
    base: &'a [i64],
    tiny_steps: Lists<'a, Int8Type>,
    short_steps: Lists<'a, Int16Type>,
    steps: Lists<'a, Int32Type>,
    long_steps: Lists<'a, Int64Type>,
    reach: Numbers<'a, Int16Type>,
    far: Lists<'a, Int16Type>,
    reals: Lists<'a, Float64Type>,
    cumulatives: Lists<'a, Float64Type>,
}

impl<'a> Chunks<'a> {
    pub fn of(batch: &'a RecordBatch) -> Fed<Self> {
        Ok(Self {
            start: numbers::<Int64Type>(batch, "start")?,
            step: numbers::<Int64Type>(batch, "step")?,
            count: numbers::<UInt16Type>(batch, "count")?,
            offsets: lists(batch, "offsets")?,
            kind: numbers::<UInt8Type>(batch, "kind")?,
            scale: numbers::<UInt8Type>(batch, "scale")?,
            base: numbers::<Int64Type>(batch, "base")?,
            tiny_steps: lists(batch, "tiny_steps")?,
            short_steps: lists(batch, "short_steps")?,
            steps: lists(batch, "steps")?,
            long_steps: lists(batch, "long_steps")?,
            reach: nullable(batch, "reach")?,
            far: lists(batch, "far")?,
            reals: lists(batch, "reals")?,
            cumulatives: lists(batch, "cumulatives")?,
        })
    }

    pub fn row(&self, row: usize) -> Fed<Packed<'a>> {
        Ok(Packed {
            start: self.start[row],
            step: self.step[row],
            count: self.count[row].into(),
            offsets: self.offsets.at(row)?,
            kind: self.kind[row],
            scale: self.scale[row],
            base: self.base[row],
            tiny_steps: self.tiny_steps.at(row)?,
            short_steps: self.short_steps.at(row)?,
            steps: self.steps.at(row)?,
            long_steps: self.long_steps.at(row)?,
            reach: self.reach.at(row),
            far: self.far.at(row)?,
            reals: self.reals.at(row)?,
            cumulatives: self.cumulatives.with_gaps(row)?,
        })
    }
}
