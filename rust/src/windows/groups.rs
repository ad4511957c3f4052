//! Turns the values of many series at each step into one a group, as the aggregations of Prometheus do.

use super::sums::{Mean, Sum};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
}

impl Operator {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "group" => Self::Group,
            _ => return None,
        })
    }
}

/// One group at one step.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Nothing,
    Sum(Sum),
    Mean(Mean),
    Value(f64),
}

/// All groups at all steps.
pub struct Groups {
    operator: Operator,
    steps: usize,
    cells: Vec<Cell>,
}

impl Groups {
    pub fn new(operator: Operator, groups: usize, steps: usize) -> Self {
        Self { operator, steps, cells: vec![Cell::Nothing; groups * steps] }
    }

    pub fn add(&mut self, group: usize, step: usize, value: f64) {
        let cell = &mut self.cells[group * self.steps + step];
        match (self.operator, &mut *cell) {
            (Operator::Sum, Cell::Sum(sum)) => sum.add(value),
            (Operator::Avg, Cell::Mean(mean)) => mean.add(value),
            (Operator::Min, Cell::Value(least)) if *least > value || least.is_nan() => *least = value,
            (Operator::Max, Cell::Value(most)) if *most < value || most.is_nan() => *most = value,
            (Operator::Count, Cell::Value(count)) => *count += 1.0,
            (Operator::Sum, Cell::Nothing) => *cell = Cell::Sum(Sum { total: value, lost: 0.0 }),
            (Operator::Avg, Cell::Nothing) => {
                let mut mean = Mean::default();
                mean.add(value);
                *cell = Cell::Mean(mean);
            }
            (Operator::Min | Operator::Max, Cell::Nothing) => *cell = Cell::Value(value),
            (Operator::Count | Operator::Group, Cell::Nothing) => *cell = Cell::Value(1.0),
            _ => {}
        }
    }

    /// None where there is no such group.
    pub fn values(&self, group: usize) -> Option<Vec<Option<f64>>> {
        let cells = self.cells.get(group * self.steps..(group + 1) * self.steps)?;
        let values = cells
            .iter()
            .map(|cell| match cell {
                Cell::Nothing => None,
                Cell::Sum(sum) => Some(sum.value()),
                Cell::Mean(mean) => Some(mean.value()),
                Cell::Value(value) => Some(*value),
            })
            .collect();
        Some(values)
    }
}
