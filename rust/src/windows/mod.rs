//! Turns the stored samples of many series into the windows of `PromQL`, without holding more than they span.

mod functions;
mod groups;
mod points;
mod rows;
mod series;
mod sums;
mod target;

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use pyo3::exceptions::{PyIndexError, PyMemoryError, PyRuntimeError, PyTimeoutError, PyValueError};
use pyo3::prelude::*;

use crate::sealed::{Fed, batches};
use functions::{Function, Window};
use groups::{Groups, Operator};
use series::{Column, Part, Series};
use target::{Question, Slice, Target};

/// Reads stored series, slice of time by slice, and answers a function of windows for each series of Prometheus.
#[pyclass(module = "blackhole._core")]
pub struct Windows {
    digests: bool,
    /// The series, unless they are away: then a thread answers a slice, while the next one is read.
    here: Option<Series>,
    away: Option<JoinHandle<(Series, Fed<bool>)>>,
    /// Rows of the table of chunks of this slice, which are unpacked when they are needed.
    chunks: Vec<RecordBatch>,
    slice: (i64, i64),
    most: usize,
}

#[pymethods]
impl Windows {
    #[new]
    #[pyo3(signature = (function, *, ends, length, now, numbers=Vec::new(), operator="", groups=0, most=8_000_000))]
    #[expect(clippy::too_many_arguments, clippy::needless_pass_by_value, reason = "they come from Python")]
    fn new(
        function: &str,
        ends: Vec<i64>,
        length: i64,
        now: Vec<i64>,
        numbers: Vec<(f64, f64)>,
        operator: &str,
        groups: usize,
        most: usize,
    ) -> PyResult<Self> {
        let asked = Function::named(function);
        if asked.is_none() && function != "samples" {
            return Err(PyValueError::new_err(format!("no such function: {function}")));
        }
        if ends.len() != now.len()
            || !ends.is_sorted()
            || !(numbers.is_empty() || numbers.len() == ends.len())
        {
            return Err(PyValueError::new_err("of each window: its end, now and numbers, in rising order"));
        }
        let windows = ends.iter().zip(now).enumerate().map(|(step, (end, now))| {
            let numbers = numbers.get(step).map_or([0.0; 2], |(one, other)| [*one, *other]);
            Window { end: *end, length, now, numbers }
        });
        let groups = match operator {
            "" => None,
            name => {
                let known = Operator::named(name).ok_or_else(|| PyValueError::new_err("no such operator"))?;
                Some(Groups::new(known, groups, ends.len()))
            }
        };
        let question = Question::new(asked, windows.collect());
        Ok(Self {
            digests: question.digests,
            here: Some(Series::new(question, groups)),
            away: None,
            chunks: Vec::new(),
            slice: (i64::MIN, i64::MAX),
            most,
        })
    }

    /// Whether a window is answered without holding its samples.
    #[getter]
    fn digests(&self) -> bool {
        self.digests
    }

    #[pyo3(signature = (*, counter, as_sent=false, before=0.0, group=0))]
    fn target(
        &mut self,
        py: Python<'_>,
        counter: bool,
        as_sent: bool,
        before: f64,
        group: usize,
    ) -> PyResult<usize> {
        let series = self.series(py)?;
        series.targets.push(Target::new(counter, as_sent, before, group));
        Ok(series.targets.len() - 1)
    }

    #[pyo3(signature = (target, series, part="value", edge=f64::INFINITY))]
    fn column(
        &mut self,
        py: Python<'_>,
        target: usize,
        series: u32,
        part: &str,
        edge: f64,
    ) -> PyResult<usize> {
        let part = match part {
            "value" => Part::Value,
            "count" => Part::Count,
            "sum" => Part::Sum,
            "bucket" => Part::Bucket(edge),
            _ => return Err(PyValueError::new_err("no such part")),
        };
        self.target_at(py, target)?;
        let all = self.series(py)?;
        all.columns.push(Column { target, part });
        let number = all.columns.len() - 1;
        all.owners.entry(series).or_default().push(number);
        Ok(number)
    }

    fn opening(&mut self, py: Python<'_>, column: usize, stream: u32, value: f64) -> PyResult<()> {
        let series = self.series(py)?;
        let found = series.columns.get(column).ok_or_else(|| PyIndexError::new_err("no such column"))?;
        series.targets[found.target].feed(column, stream).opening = value;
        Ok(())
    }

    fn slice(&mut self, after: i64, until: i64) {
        self.slice = (after, until);
    }

    fn chunks(&mut self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        batches(rows, |batch| {
            self.chunks.push(batch);
            Ok(())
        })
    }

    fn points(&mut self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        let (series, slice) = self.in_slice(rows.py())?;
        batches(rows, |batch| rows::points(&batch, |owner, sample| series.number(owner, sample, slice)))
    }

    fn histogram_chunks(&mut self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        let (series, slice) = self.in_slice(rows.py())?;
        batches(rows, |batch| rows::histogram_chunks(&batch, |owner, row| series.interval(owner, row, slice)))
    }

    fn histogram_points(&mut self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        let (series, slice) = self.in_slice(rows.py())?;
        batches(rows, |batch| rows::histogram_points(&batch, |owner, row| series.interval(owner, row, slice)))
    }

    /// Samples that are there already: a series of a subquery, or of what is guarded.
    fn given(&mut self, py: Python<'_>, target: usize, times: Vec<i64>, values: Vec<f64>) -> PyResult<()> {
        self.target_at(py, target)?.give(times, values);
        Ok(())
    }

    #[pyo3(signature = (seconds, *, more=false))]
    fn advance(&mut self, py: Python<'_>, seconds: f64, more: bool) -> PyResult<()> {
        let allowed = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        self.series(py)?.question.until = Instant::now().checked_add(allowed);
        let Some(mut series) = self.here.take() else { return Ok(()) };
        let (slice, chunks) = (self.slice, std::mem::take(&mut self.chunks));
        if !more {
            let answered = py.detach(|| series.answer(slice, &chunks));
            return self.back(series, answered);
        }
        self.away = Some(std::thread::spawn(move || {
            let answered = series.answer(slice, &chunks);
            (series, answered)
        }));
        Ok(())
    }

    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        let series = self.series(py)?;
        py.detach(|| series.conclude());
        Ok(())
    }

    /// Makes room for other series of the same question; what was grouped stays.
    fn renew(&mut self, py: Python<'_>) -> PyResult<()> {
        self.series(py)?.clear();
        self.chunks.clear();
        Ok(())
    }

    fn values(&mut self, py: Python<'_>, target: usize) -> PyResult<Option<Vec<Option<f64>>>> {
        Ok(self.target_at(py, target)?.values())
    }

    fn grouped(&mut self, py: Python<'_>, group: usize) -> PyResult<Vec<Option<f64>>> {
        let groups = self.series(py)?.groups.as_ref();
        let groups = groups.ok_or_else(|| PyValueError::new_err("nothing is grouped"))?;
        groups.values(group).ok_or_else(|| PyIndexError::new_err("no such group"))
    }

    fn samples(&mut self, py: Python<'_>, target: usize) -> PyResult<(Vec<i64>, Vec<f64>)> {
        Ok(self.target_at(py, target)?.points())
    }
}

impl Windows {
    /// The series, for which it waits while they are away.
    fn series(&mut self, py: Python<'_>) -> PyResult<&mut Series> {
        if let Some(away) = self.away.take() {
            let lost = || PyRuntimeError::new_err("the windows are lost");
            let (series, answered) = py.detach(|| away.join()).map_err(|_| lost())?;
            self.back(series, answered)?;
        }
        self.here.as_mut().ok_or_else(|| PyRuntimeError::new_err("the windows are lost"))
    }

    fn back(&mut self, series: Series, answered: Fed<bool>) -> PyResult<()> {
        let held = series.held();
        self.here = Some(series);
        if !answered.map_err(PyValueError::new_err)? {
            return Err(PyTimeoutError::new_err("the windows hold too many samples"));
        }
        if held > self.most {
            return Err(PyMemoryError::new_err("the windows hold too many samples"));
        }
        Ok(())
    }

    fn in_slice(&mut self, py: Python<'_>) -> PyResult<(&mut Series, Slice)> {
        let (after, until) = self.slice;
        let series = self.series(py)?;
        let slice = Slice::of(after, until, series.first);
        Ok((series, slice))
    }

    fn target_at(&mut self, py: Python<'_>, target: usize) -> PyResult<&mut Target> {
        let found = self.series(py)?.targets.get_mut(target);
        found.ok_or_else(|| PyIndexError::new_err("no such target"))
    }
}
