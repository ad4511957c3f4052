//! Turns request bodies of any signal and encoding into batches, without the GIL.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::batch::{Batch, Body, Distilled};
use crate::error::{Decoded, Malformed};
use crate::hash::Keyed;
use crate::otlp::wire::Reader;
use crate::otlp::{json, logs, metrics, schema, spans};

/// Walks request bodies.
#[pyclass(frozen, module = "blackhole._core")]
pub struct Decoder(Keyed);

#[pymethods]
impl Decoder {
    #[new]
    fn new(key: [u8; 16]) -> Self {
        Self(Keyed::new(&key))
    }

    fn metrics(&self, py: Python<'_>, body: PyBackedBytes, encoding: &str) -> PyResult<Batch> {
        Ok(py.detach(|| {
            let body = protobuf(body, encoding, &schema::METRICS)?;
            let contents = metrics::walk(body.bytes(), self.0)?;
            Ok::<_, Malformed>(Batch { body, contents, distilled: None, key: self.0 })
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
            let (body, distilled) = spans::distill(Reader::new(body.bytes())?, received_ns)?;
            self.distilled(body, distilled)
        })?)
    }

    fn logs(&self, py: Python<'_>, body: PyBackedBytes, encoding: &str, received_ns: u64) -> PyResult<Batch> {
        Ok(py.detach(|| {
            let body = protobuf(body, encoding, &schema::LOGS)?;
            let (body, distilled) = logs::distill(Reader::new(body.bytes())?, received_ns)?;
            self.distilled(body, distilled)
        })?)
    }

    #[expect(clippy::unused_self, reason = "the key never appears in a repr")]
    fn __repr__(&self) -> &'static str {
        "Decoder(...)"
    }
}

impl Decoder {
    fn distilled(&self, body: Vec<u8>, distilled: Distilled) -> Decoded<Batch> {
        let contents = metrics::walk(&body, self.0)?;
        Ok(Batch { body: Body::Own(body), contents, distilled: Some(distilled), key: self.0 })
    }
}

fn protobuf(body: PyBackedBytes, encoding: &str, message: &'static schema::Message) -> Decoded<Body> {
    match encoding {
        "protobuf" => Ok(Body::Python(body)),
        "json" => json::to_protobuf(&body, message).map(Body::Own),
        _ => Err(Malformed::Encoding),
    }
}
