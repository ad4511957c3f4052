//! What Python has still to take, and the bell that wakes its event loop.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::refusal::NAMES;

/// What somebody did who cannot reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stranger {
    Tls,
    Http1,
    Plain,
    Token,
}

impl Stranger {
    pub fn word(self) -> &'static str {
        match self {
            Stranger::Tls => "tls",
            Stranger::Http1 => "http1",
            Stranger::Plain => "plain",
            Stranger::Token => "token",
        }
    }
}

/// All that came since Python last asked.
#[derive(Default)]
pub struct Came {
    /// Calls that ask for room, and for how many bytes.
    pub knocks: Vec<(u64, usize)>,
    /// Calls whose message is here, with the number of their method.
    pub messages: Vec<(u64, usize, Vec<u8>)>,
    /// Calls whose senders left, or that were refused after they had asked for room.
    pub left: Vec<u64>,
    pub refused: [u64; NAMES.len()],
    /// By kind, and whether it is this machine: an address of theirs, and how many.
    pub strangers: HashMap<(Stranger, bool), (IpAddr, u64)>,
    pub stopped: bool,
    rung: bool,
}

pub struct Outbox {
    came: Mutex<Came>,
    bell: UnixStream,
    ear: UnixStream,
}

impl Outbox {
    pub fn new() -> io::Result<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Outbox { came: Mutex::default(), bell, ear })
    }

    /// What Python's event loop watches: readable when there is something to take.
    pub fn ear(&self) -> RawFd {
        self.ear.as_raw_fd()
    }

    /// Puts something in, and rings unless the bell was rung since the last `take`.
    pub fn put(&self, write: impl FnOnce(&mut Came)) {
        let mut came = self.lock();
        write(&mut came);
        if !std::mem::replace(&mut came.rung, true) {
            // Full means rung.
            let _ = (&self.bell).write(&[0]);
        }
    }

    /// Puts something in that can wait until the bell rings next.
    pub fn note(&self, write: impl FnOnce(&mut Came)) {
        write(&mut self.lock());
    }

    pub fn take(&self) -> Came {
        let mut came = self.lock();
        let mut rings = [0; 16];
        let _ = (&self.ear).read(&mut rings);
        std::mem::take(&mut came)
    }

    fn lock(&self) -> MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
