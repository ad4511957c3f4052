//! What Python says is to happen with metrics and raw series, and what it is shown to decide that.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::batch::{Kind, Reason};
use crate::kindred::Descent;
use crate::noise::{Mechanism, Noise, SCALE_PARTS};
use crate::otlp::values::{Attributes, ResourceValues, ScopeValues};

/// What is to happen with one metric.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked about on its own")]
pub struct RuleConfig {
    pub number: u32,
    pub series_limit: usize,
    pub guarded: bool,
    pub k: usize,
    pub lower: f64,
    pub upper: f64,
    pub max_groups: usize,
    pub by_event: bool,
    /// Windows have the last value of each unit: the mean is stored, or a noisy sum and count.
    pub gauge: bool,
    /// What is sent as a counter is a level.
    pub levels: bool,
    pub first: First,
    /// Of histograms: the declared buckets.
    pub boundaries: Option<Vec<f64>>,
    pub snap: Vec<f64>,
    /// How windows are released with noise; without it they are folded.
    pub release: Option<Arc<Release>>,
}

/// What the first value of a cumulative stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum First {
    /// What was counted since its start, where that is known.
    #[default]
    Counts,
    /// What was counted before anyone asked: kept by the system since it was started.
    Baseline,
    /// What a process has counted: the start says when it was first looked at. Less than the process before it had
    /// counted is new.
    Process,
}

impl First {
    fn named(name: &str) -> PyResult<Self> {
        match name {
            "counts" => Ok(Self::Counts),
            "baseline" => Ok(Self::Baseline),
            "process" => Ok(Self::Process),
            _ => Err(PyValueError::new_err("first must be counts, baseline or process")),
        }
    }
}

impl RuleConfig {
    /// How values of this kind are taken.
    #[inline]
    pub fn taken_as(&self, kind: Kind) -> Kind {
        match kind {
            Kind::Counter if self.levels => Kind::UpDownCounter,
            kind => kind,
        }
    }
}

/// How a highly sensitive metric is released: whole steps of `grid`, with noise, for all declared groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    pub mechanism: Mechanism,
    /// In parts of a step.
    pub scale: u128,
    pub count_scale: u128,
    pub grid: f64,
    pub groups: Vec<u32>,
    /// Of the square root of the matrix of running totals, in parts; empty for windows that stand alone.
    pub coefficients: Vec<i128>,
    /// Windows of a period in which a unit counts; 0: all.
    pub most_windows: u32,
}

#[pyclass(frozen, module = "blackhole._core", name = "Release")]
pub struct PyRelease(Arc<Release>);

#[pymethods]
impl PyRelease {
    #[new]
    #[pyo3(signature = (mechanism, *, scale, grid, groups, count_scale=0, coefficients=None, most_windows=0))]
    fn new(
        mechanism: &str,
        scale: u128,
        grid: f64,
        groups: Vec<u32>,
        count_scale: u128,
        coefficients: Option<Vec<i128>>,
        most_windows: u32,
    ) -> PyResult<Self> {
        let mechanism = Mechanism::named(mechanism).ok_or_else(|| {
            PyValueError::new_err("mechanism must be discrete_gaussian or discrete_laplace")
        })?;
        if !(grid.is_finite() && grid > 0.0) {
            return Err(PyValueError::new_err("grid must be above 0"));
        }
        let usable = |scale| Noise::new(mechanism, scale, SCALE_PARTS).is_some();
        if !usable(scale) || (count_scale != 0 && !usable(count_scale)) {
            return Err(PyValueError::new_err("scale must be above 0, and not beyond what can be held"));
        }
        let coefficients = coefficients.unwrap_or_default();
        Ok(Self(Arc::new(Release {
            mechanism,
            scale,
            count_scale,
            grid,
            groups,
            coefficients,
            most_windows,
        })))
    }

    #[expect(clippy::unused_self, reason = "short")]
    fn __repr__(&self) -> &'static str {
        "Release(...)"
    }
}

#[pyclass(frozen, module = "blackhole._core")]
pub struct Rule(pub RuleConfig);

#[pymethods]
impl Rule {
    #[new]
    #[pyo3(signature = (number, *, series_limit, guarded=false, k=0, lower=0.0, upper=0.0, max_groups=0,
                        by_event=false, gauge=false, levels=false, first="counts", boundaries=None,
                        snap=None, release=None))]
    #[expect(clippy::too_many_arguments, clippy::fn_params_excessive_bools, reason = "keywords")]
    fn new(
        number: u32,
        series_limit: usize,
        guarded: bool,
        k: usize,
        lower: f64,
        upper: f64,
        max_groups: usize,
        by_event: bool,
        gauge: bool,
        levels: bool,
        first: &str,
        boundaries: Option<Vec<f64>>,
        snap: Option<Vec<f64>>,
        release: Option<Bound<'_, PyRelease>>,
    ) -> PyResult<Self> {
        // A NaN on either side makes the comparison false.
        if !matches!(lower.partial_cmp(&upper), Some(order) if order.is_le()) {
            return Err(PyValueError::new_err("lower must not be above upper"));
        }
        if !increasing(boundaries.as_deref().unwrap_or_default()) {
            return Err(PyValueError::new_err("boundaries must be finite and increase"));
        }
        let mut snap = snap.unwrap_or_default();
        if snap.iter().any(|value| !value.is_finite()) {
            return Err(PyValueError::new_err("snap must be finite"));
        }
        snap.sort_by(f64::total_cmp);
        Ok(Self(RuleConfig {
            number,
            series_limit,
            guarded,
            k,
            lower,
            upper,
            max_groups,
            by_event,
            gauge,
            levels,
            first: First::named(first)?,
            boundaries,
            snap,
            release: release.map(|release| release.get().0.clone()),
        }))
    }

    fn __repr__(&self) -> String {
        format!("Rule({}, guarded={})", self.0.number, if self.0.guarded { "True" } else { "False" })
    }
}

/// Whether explicit bounds are what the data model asks for.
pub fn increasing(bounds: &[f64]) -> bool {
    bounds.iter().all(|bound| bound.is_finite()) && bounds.windows(2).all(|pair| pair[0] < pair[1])
}

/// The last state of a stream that the store remembers.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    pub time: i64,
    /// Where its rows are; 0: in none that this stream goes on in.
    pub stream: u32,
    /// The times before it, newest first.
    pub earlier: Vec<i64>,
    pub value: Option<f64>,
    pub count: Option<u64>,
    pub total: Option<f64>,
    pub bounds: Vec<f64>,
    pub buckets: Vec<u64>,
}

#[pyclass(frozen, module = "blackhole._core")]
pub struct Recall(Arc<Remembered>);

#[pymethods]
impl Recall {
    #[new]
    #[pyo3(signature = (time_ns, *, stream=0, earlier_ns=None, value=None, count=None, total=None, bounds=None,
                        buckets=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords")]
    fn new(
        time_ns: i64,
        stream: u32,
        earlier_ns: Option<Vec<i64>>,
        value: Option<f64>,
        count: Option<u64>,
        total: Option<f64>,
        bounds: Option<Vec<f64>>,
        buckets: Option<Vec<u64>>,
    ) -> Self {
        Self(Arc::new(Remembered {
            time: time_ns,
            stream,
            earlier: earlier_ns.unwrap_or_default(),
            value,
            count,
            total,
            bounds: bounds.unwrap_or_default(),
            buckets: buckets.unwrap_or_default(),
        }))
    }

    #[expect(clippy::unused_self, reason = "values never appear in a repr")]
    fn __repr__(&self) -> &'static str {
        "Recall(...)"
    }
}

/// Where the points of a raw series go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Path {
    /// The catalogue has changed since the last answer.
    Unasked,
    Drop(Reason),
    Open {
        series: u32,
        stream: u32,
    },
    Window {
        group: u32,
        unit: Option<u64>,
    },
}

impl Path {
    pub fn is_guarded(self) -> bool {
        matches!(self, Self::Window { .. })
    }

    pub fn stream(self) -> Option<u32> {
        match self {
            Self::Open { stream, .. } => Some(stream),
            _ => None,
        }
    }
}

/// What is to happen with one raw series.
#[derive(Clone)]
pub struct Answer {
    pub path: Path,
    pub recall: Option<Arc<Remembered>>,
    /// The stream that it takes the place of, where that is not known here.
    pub elder: Option<Arc<Remembered>>,
    /// By what its values are multiplied to be in the unit of its entry.
    pub factor: f64,
}

impl Answer {
    fn of(path: Path, factor: f64) -> PyResult<Self> {
        if !(factor.is_finite() && factor > 0.0) {
            return Err(PyValueError::new_err("factor must be above 0"));
        }
        Ok(Self { path, recall: None, elder: None, factor })
    }
}

#[pyclass(frozen, module = "blackhole._core")]
pub struct Treatment(pub Answer);

#[pymethods]
impl Treatment {
    #[staticmethod]
    fn drop(reason: Reason) -> PyResult<Self> {
        Answer::of(Path::Drop(reason), 1.0).map(Self)
    }

    #[staticmethod]
    #[pyo3(signature = (series, stream, recall=None, *, elder=None, factor=1.0))]
    fn open(
        series: u32,
        stream: u32,
        recall: Option<Bound<'_, Recall>>,
        elder: Option<Bound<'_, Recall>>,
        factor: f64,
    ) -> PyResult<Self> {
        let [recall, elder] = [recall, elder].map(|state| state.map(|state| state.get().0.clone()));
        Ok(Self(Answer { recall, elder, ..Answer::of(Path::Open { series, stream }, factor)? }))
    }

    #[staticmethod]
    #[pyo3(signature = (group, unit=None, *, factor=1.0))]
    fn window(group: u32, unit: Option<&[u8]>, factor: f64) -> PyResult<Self> {
        let unit = unit.map(unit_hash);
        Answer::of(Path::Window { group, unit }, factor).map(Self)
    }

    fn __repr__(&self) -> &'static str {
        match self.0.path {
            Path::Unasked | Path::Drop(_) => "Treatment.drop(...)",
            Path::Open { .. } => "Treatment.open(...)",
            Path::Window { .. } => "Treatment.window(...)",
        }
    }
}

/// Units are known by this hash only; its key is drawn anew by every process and never leaves it.
fn unit_hash(unit: &[u8]) -> u64 {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    KEY.get_or_init(RandomState::new).hash_one(unit)
}

/// What the new series of one metric in one request have in common.
pub struct Family {
    pub rule: u32,
    pub name: String,
    pub unit: String,
    pub kind: Kind,
    pub cumulative: bool,
    pub resource: Arc<ResourceValues>,
    pub scope: Arc<ScopeValues>,
}

/// A raw series that the table has not seen. Its repr shows no attribute.
#[pyclass(frozen, module = "blackhole._core")]
pub struct NewSeries {
    pub key: u128,
    /// By 8 bytes of hashes: without the start, and without what tells one process from the next (guarded: with it).
    pub descent: Descent,
    /// What its first point says, a count where it is a histogram.
    pub value: Option<f64>,
    /// Whether nothing of its kin is known here.
    pub alone: bool,
    pub family: Arc<Family>,
    pub attributes: Attributes,
}

#[pymethods]
impl NewSeries {
    #[getter]
    fn rule(&self) -> u32 {
        self.family.rule
    }

    #[getter]
    fn metric(&self) -> &str {
        &self.family.name
    }

    #[getter]
    fn unit(&self) -> &str {
        &self.family.unit
    }

    #[getter]
    fn kind(&self) -> u8 {
        self.family.kind as u8
    }

    #[getter]
    fn cumulative(&self) -> bool {
        self.family.cumulative
    }

    #[getter]
    fn raw(&self) -> u64 {
        self.descent.raw
    }

    #[getter]
    fn kin(&self) -> u64 {
        self.descent.kin
    }

    #[getter]
    fn scraped(&self) -> bool {
        self.descent.scraped
    }

    #[getter]
    fn value(&self) -> Option<f64> {
        self.value
    }

    #[getter]
    fn alone(&self) -> bool {
        self.alone
    }

    #[getter]
    fn start_ns(&self) -> i64 {
        self.descent.start
    }

    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.key.to_le_bytes())
    }

    #[getter]
    fn resource<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.family.resource.to_python(py)
    }

    #[getter]
    fn scope(&self) -> (&str, &str) {
        (&self.family.scope.name, &self.family.scope.version)
    }

    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.attributes.to_python(py)
    }

    fn __repr__(&self) -> String {
        format!("NewSeries(rule={})", self.family.rule)
    }
}
