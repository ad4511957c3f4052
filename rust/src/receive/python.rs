//! The server as Python has it.

use std::collections::HashMap;
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::desk::Word;
use super::outbox::{Came, Outbox};
use super::refusal::{Failure, NAMES};
use super::serve::{Order, run};
use super::settings::Settings;
use super::tls;

type Told = (u32, String, Vec<u8>);

/// All that came since it was asked for last.
#[pyclass(frozen, get_all, module = "blackhole._core")]
pub struct Arrivals {
    knocks: Vec<(u64, usize)>,
    messages: Py<PyList>,
    left: Vec<u64>,
    refused: Vec<(&'static str, u64)>,
    strangers: Vec<(&'static str, String, u64)>,
    stopped: bool,
}

impl Arrivals {
    fn of(py: Python<'_>, came: Came) -> PyResult<Self> {
        let messages = PyList::empty(py);
        for (number, method, body) in came.messages {
            messages.append((number, method, PyBytes::new(py, &body)))?;
        }
        let refused = NAMES.into_iter().zip(came.refused).filter(|(_, count)| *count > 0).collect();
        let strangers = came.strangers.into_iter();
        Ok(Arrivals {
            knocks: came.knocks,
            messages: messages.unbind(),
            left: came.left,
            refused,
            strangers: strangers.map(|((kind, _), (from, n))| (kind.word(), from.to_string(), n)).collect(),
            stopped: came.stopped,
        })
    }
}

/// OTLP over gRPC on sockets that listen; see the stubs.
#[pyclass(frozen, module = "blackhole._core")]
pub struct GrpcServer {
    outbox: Arc<Outbox>,
    orders: UnboundedSender<Order>,
}

#[pymethods]
impl GrpcServer {
    #[new]
    #[pyo3(signature = (sockets, *, methods, token, certificate, most_bytes, most_calls, wrong_port, patience, failures))]
    #[allow(clippy::too_many_arguments)] // keyword-only
    fn new(
        sockets: Vec<RawFd>,
        methods: Vec<String>,
        token: Option<Vec<u8>>,
        certificate: Option<(Vec<u8>, Vec<u8>)>,
        most_bytes: usize,
        most_calls: u32,
        wrong_port: String,
        patience: f64,
        failures: HashMap<String, Told>,
    ) -> PyResult<Self> {
        let sockets = sockets.into_iter().map(owned).collect();
        let tls = certificate.map(|(chain, key)| tls::config(&chain, &key).ok_or_else(unusable));
        let settings = Settings {
            methods,
            token,
            tls: tls.transpose()?,
            most_bytes,
            most_calls,
            wrong_port,
            patience: seconds(patience)?,
            failures: ordered(failures)?,
        };
        let outbox = Arc::new(Outbox::new()?);
        let (orders, obeyed) = unbounded_channel();
        let to = outbox.clone();
        thread::Builder::new().name("otlp-grpc".into()).spawn(move || {
            let _farewell = Farewell(to.clone());
            // What cannot be served is over as well.
            let _ = run(sockets, settings, &to, obeyed);
        })?;
        Ok(GrpcServer { outbox, orders })
    }

    fn fileno(&self) -> RawFd {
        self.outbox.ear()
    }

    fn take(&self, py: Python<'_>) -> PyResult<Arrivals> {
        Arrivals::of(py, self.outbox.take())
    }

    fn tell(
        &self,
        admitted: Vec<u64>,
        answers: Vec<(u64, Vec<u8>)>,
        refusals: Vec<(u64, u32, String, Vec<u8>)>,
    ) {
        let admitted = admitted.into_iter().map(|number| (number, Word::Admitted));
        let answers = answers.into_iter().map(|(number, answer)| (number, Word::Done(answer)));
        let refusals = refusals.into_iter().map(|(number, code, message, details)| {
            (number, Word::Failed(Failure { code, message, details }))
        });
        self.order(Order::Words(admitted.chain(answers).chain(refusals).collect()));
    }

    fn leave(&self, grace: f64) -> PyResult<()> {
        self.order(Order::Leave(seconds(grace)?));
        Ok(())
    }
}

impl GrpcServer {
    /// After its end there is nobody left who would want to know.
    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

/// Says that the server has ended, however it did.
struct Farewell(Arc<Outbox>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.put(|came| came.stopped = true);
    }
}

fn owned(socket: RawFd) -> TcpListener {
    // SAFETY: the caller has detached it, so nobody else closes it.
    TcpListener::from(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn ordered(mut failures: HashMap<String, Told>) -> PyResult<Vec<Failure>> {
    let found = NAMES.iter().map(|name| {
        let (code, message, details) = failures.remove(*name)?;
        Some(Failure { code, message, details })
    });
    found.collect::<Option<_>>().ok_or_else(|| PyValueError::new_err("a refusal has no words"))
}

fn seconds(given: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(given).map_err(|_| PyValueError::new_err("no span of time"))
}

fn unusable() -> PyErr {
    PyRuntimeError::new_err("the certificate or its key cannot be used")
}
