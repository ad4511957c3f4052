//! The receiver of OTLP over gRPC: connections in, whole messages out, on one thread of its own.
//!
//! Sockets, TLS, HTTP/2, gRPC's framing, inflating and the token are dealt with here, without Python.
//! Python gets all that came since it last asked in one call, and answers in one call.

mod answer;
mod call;
mod connection;
mod desk;
mod early;
mod inflate;
mod message;
mod opening;
mod outbox;
mod places;
mod python;
mod refusal;
mod serve;
mod settings;
mod tls;

pub use python::{Arrivals, GrpcServer};
