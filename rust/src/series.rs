//! The table of series as Python sees it: asks the guard about what is new, applies the rest without the GIL.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::apply::{Applied, Times};
use crate::batch::{Batch, MALFORMED_POINT, Reason};
use crate::columns::{Columns, Distribution, Merge, Place};
use crate::lookup::{Answers, Found, Lookup};
use crate::records::Kept;
use crate::repeats::{Points, Repeats};
use crate::table::{Table, Verdict};
use crate::treatment::{NewSeries, Rule, RuleConfig, Treatment};

/// What `SeriesTable.apply` did.
#[pyclass(frozen, module = "blackhole._core")]
pub struct Outcome {
    #[pyo3(get)]
    accepted: u64,
    #[pyo3(get)]
    guarded: u64,
    #[pyo3(get)]
    rejected: u64,
    #[pyo3(get)]
    columns: Py<Columns>,
    /// What the owner keeps of the single spans and log records, if anything.
    #[pyo3(get)]
    kept: Option<Py<Kept>>,
    refusals: Vec<(String, Reason, u64)>,
}

#[pymethods]
impl Outcome {
    #[getter]
    fn refusals(&self) -> Vec<(String, Reason, u64)> {
        self.refusals.clone()
    }

    #[expect(clippy::unused_self, reason = "counts of guarded points never appear in a repr")]
    fn __repr__(&self) -> &'static str {
        "Outcome(...)"
    }
}

/// One value of a closed window.
#[pyclass(frozen, module = "blackhole._core")]
pub struct WindowValue {
    #[pyo3(get)]
    rule: u32,
    #[pyo3(get)]
    group: u32,
    #[pyo3(get)]
    value: f64,
    #[pyo3(get)]
    buckets: Option<Vec<u64>>,
    bounds: Vec<f64>,
}

#[pymethods]
impl WindowValue {
    #[expect(clippy::unused_self, reason = "values never appear in a repr")]
    fn __repr__(&self) -> &'static str {
        "WindowValue(...)"
    }
}

/// What is released of one metric's window.
#[pyclass(frozen, module = "blackhole._core")]
pub struct Released {
    #[pyo3(get)]
    rule: u32,
    /// None where the window is closed for everybody.
    #[pyo3(get)]
    groups: Option<Vec<(u32, Vec<f64>)>>,
    #[pyo3(get)]
    step: Option<usize>,
}

#[pymethods]
impl Released {
    #[expect(clippy::unused_self, reason = "values never appear in a repr")]
    fn __repr__(&self) -> &'static str {
        "Released(...)"
    }
}

/// Points that the resolver is asked about at once.
const MOST_ASKED: usize = 8_192;

/// What Python says about a metric.
enum MetricAnswer {
    Rule(RuleConfig),
    Refused(Reason),
}

/// Where applying a batch stands.
enum Step {
    AskMetrics(Vec<u32>),
    AskSeries(Vec<NewSeries>),
    AskStored(Vec<(u32, i64)>),
    Done(Box<Applied>),
}

/// Known raw series, their treatments, their cumulative state, and the open window.
#[pyclass(frozen, module = "blackhole._core")]
pub struct SeriesTable(Mutex<Table>);

impl SeriesTable {
    /// Only to be called without the GIL: whoever holds the table may be waiting for nothing but the processor.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl SeriesTable {
    #[new]
    #[pyo3(signature = (*, max_series, created_ns, started_ns))]
    fn new(max_series: usize, created_ns: i64, started_ns: i64) -> Self {
        Self(Mutex::new(Table::new(max_series, created_ns, started_ns)))
    }

    #[pyo3(signature = (batch, resolver, *, now_ns, oldest_ns, newest_ns))]
    fn apply(
        &self,
        py: Python<'_>,
        batch: &Batch,
        resolver: &Bound<'_, PyAny>,
        now_ns: i64,
        oldest_ns: i64,
        newest_ns: i64,
    ) -> PyResult<Outcome> {
        let times = Times { now: now_ns, oldest: oldest_ns, newest: newest_ns };
        let mut verdicts = vec![None; batch.contents.headers.len()];
        let mut answers = Answers::default();
        let mut stored = None;
        py.detach(|| self.table().forget_metrics());
        loop {
            let known = (&answers, stored.as_ref());
            let step = py.detach(|| step(&mut self.table(), batch, &mut verdicts, known, times));
            match step {
                Step::AskMetrics(unknown) => {
                    let told = ask_metrics(batch, resolver, &unknown)?;
                    py.detach(|| learn(&mut self.table(), batch, &mut verdicts, &told));
                }
                Step::AskSeries(unknown) => ask_series(py, resolver, unknown, &mut answers)?,
                Step::AskStored(doubtful) => stored = Some(ask_stored(resolver, &doubtful)?),
                Step::Done(applied) => return outcome(py, batch, *applied),
            }
        }
    }

    fn close_window(&self, py: Python<'_>) -> Vec<WindowValue> {
        let values = py.detach(|| self.table().close_window());
        let value = |(rule, value): (std::sync::Arc<RuleConfig>, crate::fold::Closed)| WindowValue {
            rule: rule.number,
            group: value.group,
            value: value.value,
            buckets: value.buckets,
            bounds: rule.boundaries.clone().unwrap_or_default(),
        };
        values.into_iter().map(value).collect()
    }

    #[expect(clippy::needless_pass_by_value, reason = "extracted from Python")]
    fn close_release(&self, py: Python<'_>, rules: Vec<u32>) -> Vec<Released> {
        let published = py.detach(|| self.table().close_release(&rules));
        let released = |(rule, values): (std::sync::Arc<RuleConfig>, crate::release::Published)| Released {
            rule: rule.number,
            groups: values.groups,
            step: values.step,
        };
        published.into_iter().map(released).collect()
    }

    #[pyo3(signature = (rules, *, fresh))]
    #[expect(clippy::needless_pass_by_value, reason = "extracted from Python")]
    fn declare(&self, py: Python<'_>, rules: Vec<Bound<'_, Rule>>, fresh: bool) {
        let configs: Vec<&RuleConfig> = rules.iter().map(|rule| &rule.get().0).collect();
        py.detach(|| {
            let mut table = self.table();
            for config in configs {
                table.declare(config, fresh);
            }
        });
    }

    #[expect(clippy::unused_self, reason = "belongs to the table's windows")]
    #[expect(clippy::needless_pass_by_value, reason = "extracted from Python")]
    fn window_columns(&self, values: Vec<(u32, i64, Bound<'_, WindowValue>)>) -> Columns {
        let mut columns = Columns::default();
        for (series, time, value) in &values {
            let place = Place { series: *series, stream: 0, time: *time };
            let value = value.get();
            match &value.buckets {
                None => columns.point(place, value.value, None, Merge::Never),
                Some(buckets) => {
                    let interval = Distribution {
                        count: buckets.iter().fold(0, |sum, count| sum.saturating_add(*count)),
                        sum: None,
                        bounds: value.bounds.clone(),
                        buckets: buckets.clone(),
                    };
                    columns.histogram(place, &interval, (None, None), None);
                }
            }
        }
        columns
    }

    fn take_edges<'py>(&self, py: Python<'py>, now_ns: i64) -> Option<Bound<'py, PyBytes>> {
        let body = py.detach(|| self.table().edges.take(now_ns));
        body.map(|body| PyBytes::new(py, &body))
    }

    fn evict(&self, py: Python<'_>, idle_before_ns: i64) -> usize {
        py.detach(|| self.table().evict(idle_before_ns))
    }

    #[expect(clippy::needless_pass_by_value, reason = "extracted from Python")]
    fn erase(&self, py: Python<'_>, series: HashSet<u32>, rules: HashSet<u32>, created_ns: i64) -> usize {
        py.detach(|| self.table().erase(&series, &rules, created_ns))
    }

    fn rewind(&self, py: Python<'_>, now_ns: i64, newest_ns: i64) -> usize {
        py.detach(|| self.table().rewind(now_ns, newest_ns))
    }

    fn hold(&self, py: Python<'_>, held: bool) {
        py.detach(|| self.table().held = held);
    }

    fn forget_rules(&self, py: Python<'_>) {
        py.detach(|| self.table().forget_rules());
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.table().len())
    }

    #[expect(clippy::unused_self, reason = "counts of guarded series never appear in a repr")]
    fn __repr__(&self) -> &'static str {
        "SeriesTable(...)"
    }
}

/// One try to apply a batch; nothing is applied while anything is unknown.
fn step(
    table: &mut Table,
    batch: &Batch,
    verdicts: &mut [Option<Verdict>],
    (answers, stored): (&Answers, Option<&Points>),
    times: Times,
) -> Step {
    let mut settled = Vec::with_capacity(verdicts.len());
    let mut unknown = Vec::new();
    for ((header, verdict), index) in batch.contents.headers.iter().zip(verdicts).zip(0..) {
        // Rules are looked up anew each time: another thread may have made the table forget them.
        let found = match (header.problem, *verdict) {
            (Some(reason), _) | (None, Some(Verdict::Refused(reason))) => Some(Verdict::Refused(reason)),
            (None, _) => table.metric(header.identity),
        };
        match found {
            Some(found) => settled.push(found),
            None => unknown.push(index),
        }
    }
    if !unknown.is_empty() {
        return Step::AskMetrics(unknown);
    }
    let Found { places, unknown, doubtful, remembered } =
        Lookup::new(batch, &settled, answers, times).run(table);
    if !unknown.is_empty() {
        return Step::AskSeries(unknown);
    }
    if stored.is_none() && !doubtful.is_empty() {
        return Step::AskStored(doubtful);
    }
    let nothing = Points::new();
    let repeats = Repeats::new(batch, &places, times, stored.unwrap_or(&nothing), remembered);
    Step::Done(Box::new(table.apply(batch, &places, times, repeats)))
}

/// Asks for a bounded number of points at a time, as each is several objects in Python.
fn ask_stored(resolver: &Bound<'_, PyAny>, doubtful: &[(u32, i64)]) -> PyResult<Points> {
    let mut stored = Points::new();
    for some in doubtful.chunks(MOST_ASKED) {
        let found = resolver.call_method1("stored", (some.to_vec(),))?;
        for point in found.try_iter()? {
            stored.insert(point?.extract()?);
        }
    }
    Ok(stored)
}

/// Asks about each metric once, however often the request names it.
fn ask_metrics(
    batch: &Batch,
    resolver: &Bound<'_, PyAny>,
    unknown: &[u32],
) -> PyResult<Vec<(u32, Option<MetricAnswer>)>> {
    let mut asked = crate::hash::KeyedSet::default();
    let mut told = Vec::with_capacity(unknown.len());
    for index in unknown {
        let header = &batch.contents.headers[*index as usize];
        let names = [header.name, header.unit, header.description].map(|span| batch.text(span));
        if !asked.insert(header.identity) {
            told.push((*index, None));
            continue;
        }
        let answer = resolver.call_method1("metric", (names[0], names[1], header.kind as u8, names[2]))?;
        let answer = match answer.cast::<Rule>() {
            Ok(rule) => MetricAnswer::Rule(rule.get().0.clone()),
            Err(_) => MetricAnswer::Refused(answer.extract()?),
        };
        told.push((*index, Some(answer)));
    }
    Ok(told)
}

fn learn(
    table: &mut Table,
    batch: &Batch,
    verdicts: &mut [Option<Verdict>],
    told: &[(u32, Option<MetricAnswer>)],
) {
    // The table bounds what it remembers of refusals, so this request remembers its own.
    let mut refused = crate::hash::KeyedMap::default();
    for (index, answer) in told {
        let header = &batch.contents.headers[*index as usize];
        let verdict = match answer {
            Some(MetricAnswer::Rule(rule)) => Some(table.accept_metric(header.identity, rule)),
            Some(MetricAnswer::Refused(reason)) => {
                let verdict = table.refuse_metric(header.identity, *reason);
                refused.insert(header.identity, verdict);
                Some(verdict)
            }
            None => refused.get(&header.identity).copied(),
        };
        verdicts[*index as usize] = verdict;
    }
}

fn ask_series(
    py: Python<'_>,
    resolver: &Bound<'_, PyAny>,
    unknown: Vec<NewSeries>,
    answers: &mut Answers,
) -> PyResult<()> {
    let keys: Vec<u128> = unknown.iter().map(|series| series.key).collect();
    let told = resolver.call_method1("series", (PyList::new(py, unknown)?,))?;
    let told: Vec<Bound<'_, Treatment>> = told.extract()?;
    if told.len() != keys.len() {
        return Err(PyValueError::new_err("resolver.series: one treatment for each new series"));
    }
    for (key, treatment) in keys.into_iter().zip(told) {
        let treatment = treatment.get();
        answers.insert(key, treatment.0.clone());
    }
    Ok(())
}

fn outcome(py: Python<'_>, batch: &Batch, mut applied: Applied) -> PyResult<Outcome> {
    report_empty(batch, &mut applied);
    let mut refusals: Vec<_> =
        applied.refusals.into_iter().map(|refusal| (refusal.name, refusal.reason, refusal.points)).collect();
    if let Some(distilled) = batch.distilled
        && distilled.malformed > 0
    {
        applied.rejected += distilled.malformed;
        refusals.push((distilled.metric.to_owned(), MALFORMED_POINT, distilled.malformed));
    }
    Ok(Outcome {
        accepted: applied.accepted,
        guarded: applied.guarded,
        rejected: applied.rejected,
        columns: Py::new(py, applied.columns)?,
        kept: (!applied.kept.is_empty()).then(|| Py::new(py, applied.kept)).transpose()?,
        refusals,
    })
}

/// A metric without data has no point that could be refused, and is named all the same.
fn report_empty(batch: &Batch, applied: &mut Applied) {
    for header in &batch.contents.headers {
        if let (0, Some(reason)) = (header.points, header.problem) {
            applied.refuse(batch, header, reason, 0);
        }
    }
}
