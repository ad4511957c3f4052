//! OpenTelemetry's protocol: requests of three signals in two encodings become batches of points.

pub mod distill;
pub mod json;
pub mod ladder;
pub mod logs;
pub mod metrics;
pub mod points;
pub mod schema;
pub mod spans;
pub mod values;
pub mod wire;
pub mod write;
