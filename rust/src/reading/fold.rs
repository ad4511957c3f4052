//! The class `Fold`: what Python feeds into streams, and buckets back to Python.

use arrow_array::RecordBatch;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::doors;
use super::engine::{Engine, Point};
use super::grid::Grid;
use super::level::{Asked, Levels};
use super::rate::{Filled, Rates};
use super::relations::Clock;
use super::streams::{Entry, Identity, Kind};
use super::sweep::Extreme;
use crate::sealed::{Fed, LATEST, batches};

/// So many points wait, as they are sealed, to be taken in the order of stream and time.
const MOST_WAITING: usize = 4_000_000;

const MOST_BUCKETS: usize = 1 << 20;
const MOST_GROUPS: usize = 1 << 20;

#[pyclass(module = "blackhole._core")]
pub struct Fold {
    engine: Engine,
}

type Buckets = (u32, Vec<usize>, Vec<f64>, Vec<u32>, Vec<u32>, Vec<i64>);

pub fn moment(time: i64, name: &str) -> Fed<i64> {
    if (0..LATEST).contains(&time) { Ok(time) } else { Err(format!("{name} is not a time in nanoseconds")) }
}

fn moments(named: &[(&str, i64)]) -> Fed<()> {
    named.iter().try_for_each(|(name, time)| moment(*time, name).map(drop))
}

fn wrong(text: String) -> PyErr {
    PyValueError::new_err(text)
}

impl Fold {
    fn feed(
        &mut self,
        rows: &Bound<'_, PyAny>,
        door: fn(&mut Engine, &RecordBatch) -> Fed<()>,
    ) -> PyResult<()> {
        self.engine.open().map_err(wrong)?;
        let engine = &mut self.engine;
        batches(rows, |batch| door(engine, &batch))
    }

    fn open(function: &str, clock: Clock, edges: Vec<i64>, groups: usize) -> Fed<Engine> {
        moments(&[("now_ns", clock.now), ("start_ns", clock.start), ("end_ns", clock.end)])?;
        moments(&[("judged_ns", clock.judged)])?;
        edges.iter().try_for_each(|edge| moment(*edge, "an edge").map(drop))?;
        if edges.len() < 2 || edges.len() > MOST_BUCKETS || edges.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("edges must rise, from 2 to 1,048,576 of them".into());
        }
        if clock.end <= clock.start || groups > MOST_GROUPS {
            return Err("end_ns must be after start_ns, and groups at most 1,048,576".into());
        }
        let asked = match function {
            "rate" => {
                let grid = Grid::new(edges, clock.start, clock.end);
                return Ok(Engine::of_rates(Rates::new(grid, groups, clock), clock, groups));
            }
            "avg" => Asked::Mean,
            "min" => Asked::Extreme(Extreme::Least),
            "max" => Asked::Extreme(Extreme::Greatest),
            "last" => Asked::Last,
            _ => return Err("function must be rate, avg, min, max or last".into()),
        };
        let grid = Grid::new(edges, clock.start, clock.end.min(clock.now));
        Ok(Engine::of_levels(Levels::new(grid, asked, groups), clock, groups))
    }
}

#[pymethods]
impl Fold {
    #[new]
    #[pyo3(signature = (function, *, now_ns, start_ns, end_ns, edges, groups, judged_ns=0))]
    fn new(
        function: &str,
        now_ns: i64,
        start_ns: i64,
        end_ns: i64,
        edges: Vec<i64>,
        groups: usize,
        judged_ns: i64,
    ) -> PyResult<Self> {
        let clock = Clock { now: now_ns, start: start_ns, end: end_ns, judged: judged_ns };
        Self::open(function, clock, edges, groups).map(|engine| Self { engine }).map_err(wrong)
    }

    fn series(&mut self, ids: Vec<u32>, groups: Vec<u32>, factors: Vec<f64>) -> PyResult<()> {
        if ids.len() != groups.len() || ids.len() != factors.len() {
            return Err(wrong("ids, groups and factors must be equally many".into()));
        }
        for ((id, group), factor) in ids.into_iter().zip(groups).zip(factors) {
            self.engine.streams.name_series(id, group, factor);
        }
        Ok(())
    }

    #[pyo3(signature = (stream, group, kind, *, raw=None, kin=None, start_ns=None))]
    fn stream(
        &mut self,
        stream: u32,
        group: Option<u32>,
        kind: u8,
        raw: Option<u64>,
        kin: Option<u64>,
        start_ns: Option<i64>,
    ) -> PyResult<()> {
        let kind = Kind::of(kind).ok_or_else(|| wrong("kind must be 0, 1 or 2".into()))?;
        let identity = Identity { group, kind, raw, kin, start: start_ns, factor: 1.0 };
        self.engine.stream(stream, identity).map_err(wrong)
    }

    #[pyo3(signature = (stream, time_ns, value, *, since_ns=None, estimated=false, arrived_ns=None))]
    fn point(
        &mut self,
        stream: u32,
        time_ns: i64,
        value: f64,
        since_ns: Option<i64>,
        estimated: bool,
        arrived_ns: Option<i64>,
    ) -> PyResult<()> {
        let arrived = arrived_ns.unwrap_or(time_ns);
        let since = since_ns.unwrap_or(0);
        moments(&[("time_ns", time_ns), ("since_ns", since), ("arrived_ns", arrived)]).map_err(wrong)?;
        let place =
            self.engine.place(stream).ok_or_else(|| wrong(format!("stream {stream} is not known")))?;
        let entry = (since_ns.is_some() || estimated).then(|| Entry {
            time: time_ns,
            since: since_ns
                .or_else(|| self.engine.row_before(place, time_ns))
                .unwrap_or(time_ns)
                .min(time_ns),
            value,
            estimated,
            period: None,
            counted: true,
        });
        let point = Point { time: time_ns, value, arrived };
        self.engine.open().map_err(wrong)?;
        self.engine.row(place, point, entry);
        Ok(())
    }

    fn streams(&mut self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        self.feed(rows, doors::streams)
    }

    fn ends(&mut self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        self.feed(rows, doors::ends)
    }

    fn needs_what_ended(&self, after_ns: i64, until_ns: i64) -> bool {
        self.engine.streams.need_what_ended(after_ns, until_ns)
    }

    fn intervals(&mut self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        self.feed(rows, doors::intervals)?;
        self.engine.sort_entries();
        Ok(())
    }

    fn chunks(&mut self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        self.engine.open().map_err(wrong)?;
        let (mut waiting, mut points) = (Vec::new(), 0);
        batches(rows, |batch| {
            points += doors::points_in(&batch)?;
            waiting.push(batch);
            if points > MOST_WAITING {
                doors::chunks(&mut self.engine, &std::mem::take(&mut waiting))?;
                points = 0;
            }
            Ok(())
        })?;
        rows.py().detach(|| doors::chunks(&mut self.engine, &waiting)).map_err(wrong)
    }

    fn hours(&mut self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        self.feed(rows, doors::hours)
    }

    fn points(&mut self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        self.feed(rows, doors::points)
    }

    fn finish(&mut self, py: Python<'_>) -> PyResult<Vec<Buckets>> {
        let filled = py.detach(|| self.engine.finish()).map_err(wrong)?;
        Ok(filled.into_iter().map(|(group, filled)| columns(group, &filled)).collect())
    }

    fn now(&mut self, py: Python<'_>) -> Vec<Option<f64>> {
        py.detach(|| self.engine.now())
    }

    fn longest_period(&mut self, py: Python<'_>) -> i64 {
        py.detach(|| self.engine.longest_period())
    }
}

fn columns(group: u32, filled: &[Filled]) -> Buckets {
    (
        group,
        filled.iter().map(|one| one.bucket).collect(),
        filled.iter().map(|one| one.value).collect(),
        filled.iter().map(|one| one.samples).collect(),
        filled.iter().map(|one| one.flags.into()).collect(),
        filled.iter().map(|one| one.covered).collect(),
    )
}
