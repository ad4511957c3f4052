//! Turns request bodies of any signal and encoding into batches, without the GIL.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::batch::{Aside, Batch, Body, Distilled};
use crate::error::{Decoded, Malformed};
use crate::hash::Keyed;
use crate::otlp::wire::Reader;
use crate::otlp::{json, logs, metrics, schema, spans};

/// Walks request bodies.
#[pyclass(frozen, module = "blackhole._core")]
pub struct Decoder {
    key: Keyed,
    keep_spans: bool,
    keep_logs: bool,
}

#[pymethods]
impl Decoder {
    #[new]
    #[pyo3(signature = (key, *, keep_spans=false, keep_logs=false))]
    fn new(key: [u8; 16], keep_spans: bool, keep_logs: bool) -> Self {
        Self { key: Keyed::new(&key), keep_spans, keep_logs }
    }

    fn metrics(&self, py: Python<'_>, body: PyBackedBytes, encoding: &str) -> PyResult<Batch> {
        Ok(py.detach(|| {
            let body = protobuf(body, encoding, &schema::METRICS)?;
            let contents = metrics::walk(body.bytes(), self.key)?;
            let aside = Aside::default();
            Ok::<_, Malformed>(Batch { body, contents, distilled: None, aside, key: self.key })
        })?)
    }

    fn traces(
        &self,
        py: Python<'_>,
        body: PyBackedBytes,
        encoding: &str,
        received_ns: u64,
    ) -> PyResult<Batch> {
        Ok(py.detach(|| {
            let body = protobuf(body, encoding, &schema::TRACES)?;
            self.distilled(spans::distill(Reader::new(body.bytes())?, received_ns, self.keep_spans)?)
        })?)
    }

    fn logs(&self, py: Python<'_>, body: PyBackedBytes, encoding: &str, received_ns: u64) -> PyResult<Batch> {
        Ok(py.detach(|| {
            let body = protobuf(body, encoding, &schema::LOGS)?;
            self.distilled(logs::distill(Reader::new(body.bytes())?, received_ns, self.keep_logs)?)
        })?)
    }

    #[expect(clippy::unused_self, reason = "the key never appears in a repr")]
    fn __repr__(&self) -> &'static str {
        "Decoder(...)"
    }
}

impl Decoder {
    fn distilled(&self, (body, distilled, aside): (Vec<u8>, Distilled, Aside)) -> Decoded<Batch> {
        let contents = metrics::walk(&body, self.key)?;
        Ok(Batch { body: Body::Own(body), contents, distilled: Some(distilled), aside, key: self.key })
    }
}

fn protobuf(body: PyBackedBytes, encoding: &str, message: &'static schema::Message) -> Decoded<Body> {
    match encoding {
        "protobuf" => Ok(Body::Python(body)),
        "json" => json::to_protobuf(&body, message).map(Body::Own),
        _ => Err(Malformed::Encoding),
    }
}
