//! What one server goes by.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;

use super::refusal::{Failure, Refusal};

/// Until a connection has said what it speaks, its TLS handshake included.
pub const OPENING: Duration = Duration::from_secs(10);
pub const MOST_CONNECTIONS: usize = 256;
pub const MOST_METADATA: u32 = 16 * 1024;
/// A peer that went without a word is found by its silence.
pub const PING_AFTER: Duration = Duration::from_mins(1);
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// What a sender may send before it is read.
pub const STREAM_WINDOW: u32 = 128 * 1024;
pub const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Of one message, and of all together, that may be read before there is a word from Python.
pub const EARLY_MESSAGE: usize = 128 * 1024;
pub const EARLY_TOTAL: usize = 2 * 1024 * 1024;
/// How long a message may take to come until Python is asked for room all the same.
pub const EARLY: Duration = Duration::from_millis(50);
/// Counts are told to Python together.
pub const TELL_AFTER: Duration = Duration::from_millis(100);

pub struct Settings {
    /// The paths that are served; Python knows a method by its place among them.
    pub methods: Vec<String>,
    pub token: Option<Vec<u8>>,
    pub tls: Option<Arc<ServerConfig>>,
    /// Bytes of one message, inflated.
    pub most_bytes: usize,
    /// Calls at once on one connection.
    pub most_calls: u32,
    /// What HTTP/1 is told.
    pub wrong_port: String,
    /// How long a message may take to come.
    pub patience: Duration,
    /// In the order of `Refusal`.
    pub failures: Vec<Failure>,
}

impl Settings {
    pub fn failure(&self, refusal: Refusal) -> &Failure {
        &self.failures[refusal as usize]
    }
}
