//! All series of Prometheus of a question: gives each what is its own, and gathers their answers.

use std::collections::HashMap;

use arrow_array::RecordBatch;

use super::groups::Groups;
use super::rows::{Interval, Owner, Owners, Sample, whole};
use super::target::{Question, Slice, Target, Work};
use crate::sealed::{Chunks, Fed};

/// What of a stored series is meant: numbers as they are, or a part of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    Value,
    Count,
    Sum,
    /// What lies at or below this bound.
    Bucket(f64),
}

/// A part of a stored series, and the series of Prometheus that it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub target: usize,
    pub part: Part,
}

pub struct Series {
    pub question: Question,
    pub targets: Vec<Target>,
    pub columns: Vec<Column>,
    pub owners: HashMap<u32, Vec<usize>>,
    pub groups: Option<Groups>,
    /// Whether nothing was answered yet.
    pub first: bool,
}

impl Series {
    pub fn new(question: Question, groups: Option<Groups>) -> Self {
        let (targets, columns, owners) = (Vec::new(), Vec::new(), HashMap::new());
        Self { question, targets, columns, owners, groups, first: true }
    }

    /// Makes room for others; what was grouped stays.
    pub fn clear(&mut self) {
        self.targets.clear();
        self.columns.clear();
        self.owners.clear();
        self.first = true;
    }

    pub fn held(&self) -> usize {
        self.targets.iter().map(Target::held).sum()
    }

    pub fn number(&mut self, owner: Owner, sample: Sample, slice: Slice) {
        for place in self.owners.get(&owner.series).into_iter().flatten() {
            let column = self.columns[*place];
            if column.part == Part::Value {
                self.targets[column.target].take(*place, owner.stream, sample, slice);
            }
        }
    }

    pub fn interval(&mut self, owner: Owner, row: &Interval<'_>, slice: Slice) {
        for place in self.owners.get(&owner.series).into_iter().flatten() {
            let column = self.columns[*place];
            let unknown = f64::NAN;
            let (value, sent) = match column.part {
                Part::Value => continue,
                Part::Count => (row.count, row.sent.count.unwrap_or(unknown)),
                Part::Sum => match row.sum {
                    Some(sum) => (sum, row.sent.sum.unwrap_or(unknown)),
                    None => continue,
                },
                Part::Bucket(edge) => {
                    let size = cells_below(row.bounds, edge);
                    let sent = row.sent.cells.map_or(unknown, |cells| cells[..size].iter().sum());
                    (row.cells[..size].iter().map(|cell| whole(*cell)).sum(), sent)
                }
            };
            let sample = Sample { ns: row.ns, value, sent };
            self.targets[column.target].take(*place, owner.stream, sample, slice);
        }
    }

    /// Tells each series which rows of the table of chunks are its own.
    fn hand_out(&mut self, number: u32, batch: &RecordBatch) -> Fed<()> {
        let owners = Owners::of(batch)?;
        for (row, place) in (0..batch.num_rows()).zip(0..) {
            let owner = owners.at(row);
            for column in self.owners.get(&owner.series).into_iter().flatten() {
                let Column { target, part } = self.columns[*column];
                if part == Part::Value {
                    self.targets[target].feed(*column, owner.stream).chunks.push((number, place));
                }
            }
        }
        Ok(())
    }

    /// Answers the windows that end in a slice of which these are the chunks. False: there was no time for all.
    pub fn answer(&mut self, slice: (i64, i64), batches: &[RecordBatch]) -> Fed<bool> {
        let stretch = Slice::of(slice.0, slice.1, std::mem::take(&mut self.first));
        for (number, batch) in (0..).zip(batches) {
            self.hand_out(number, batch)?;
        }
        let chunks = batches.iter().map(Chunks::of).collect::<Fed<Vec<_>>>()?;
        let mut work = Work::new(chunks, stretch);
        for target in &mut self.targets {
            let (group, question) = (target.group, &self.question);
            let in_time = with_values(target, group, self.groups.as_mut(), |target, each| {
                target.advance(question, slice.1, &mut work, each)
            })?;
            if !in_time {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Answers what can only be answered when all is known.
    pub fn conclude(&mut self) {
        for target in &mut self.targets {
            let (group, question) = (target.group, &self.question);
            with_values(target, group, self.groups.as_mut(), |target, each| {
                target.conclude(question, each);
            });
        }
    }
}

/// Asks a target for values, which go to its group if there are any, else to itself.
fn with_values<T>(
    target: &mut Target,
    group: usize,
    groups: Option<&mut Groups>,
    ask: impl FnOnce(&mut Target, &mut dyn FnMut(usize, Option<f64>)) -> T,
) -> T {
    let Some(groups) = groups else {
        let mut kept = Vec::new();
        let answer = ask(target, &mut |_, value| kept.push(value));
        for value in kept {
            target.keep(value);
        }
        return answer;
    };
    ask(target, &mut |step, value| {
        if let Some(value) = value {
            groups.add(group, step, value);
        }
    })
}

/// How many cells, counted from the first, lie at or below `edge`.
fn cells_below(bounds: &[f64], edge: f64) -> usize {
    if edge == f64::INFINITY { bounds.len() + 1 } else { bounds.partition_point(|bound| *bound <= edge) }
}
