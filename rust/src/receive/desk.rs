//! Where calls wait for a word from Python; each is known by a number.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::outbox::{Came, Outbox, Stranger};
use super::refusal::{Failure, Refusal};
use super::settings::TELL_AFTER;

/// Python's word on a call.
pub enum Word {
    /// There is room: its message may come in.
    Admitted,
    Done(Vec<u8>),
    Failed(Failure),
}

pub struct Desk {
    outbox: Arc<Outbox>,
    waiting: RefCell<HashMap<u64, oneshot::Sender<Word>>>,
    last: Cell<u64>,
    open: Cell<usize>,
    is_telling: Rc<Cell<bool>>,
}

impl Desk {
    pub fn new(outbox: Arc<Outbox>) -> Rc<Self> {
        Rc::new(Desk {
            outbox,
            waiting: RefCell::default(),
            last: Cell::new(0),
            open: Cell::new(0),
            is_telling: Rc::default(),
        })
    }

    pub fn ticket(self: &Rc<Self>) -> Ticket {
        self.last.set(self.last.get() + 1);
        self.open.set(self.open.get() + 1);
        Ticket { desk: self.clone(), number: self.last.get(), is_known: false }
    }

    /// How many calls are under way.
    pub fn open(&self) -> usize {
        self.open.get()
    }

    pub fn say(&self, number: u64, word: Word) {
        let waiter = self.waiting.borrow_mut().remove(&number);
        if let Some(waiter) = waiter {
            // Its sender may have left just now, and the ticket says so.
            let _ = waiter.send(word);
        }
    }

    pub fn count(&self, refusal: Refusal) {
        self.tell_soon(|came| came.refused[refusal as usize] += 1);
    }

    /// Somebody who cannot reach us; of the address no more is told apart than whether it is this machine's.
    pub fn note(&self, stranger: Stranger, address: IpAddr) {
        let is_here = address.to_canonical().is_loopback();
        self.tell_soon(|came| came.strangers.entry((stranger, is_here)).or_insert((address, 0)).1 += 1);
    }

    /// Together with others: whoever is refused in a flood must not keep Python busy.
    fn tell_soon(&self, write: impl FnOnce(&mut Came)) {
        self.outbox.note(write);
        if !self.is_telling.replace(true) {
            let (outbox, is_telling) = (self.outbox.clone(), self.is_telling.clone());
            spawn_local(async move {
                sleep(TELL_AFTER).await;
                is_telling.set(false);
                outbox.put(|_| ());
            });
        }
    }
}

/// One call's place. Python hears of it when it is dropped before the last word.
pub struct Ticket {
    desk: Rc<Desk>,
    number: u64,
    is_known: bool,
}

impl Ticket {
    /// Asks for room for `volume` bytes.
    pub async fn knock(&mut self, volume: usize) -> Result<(), Failure> {
        let number = self.number;
        match self.ask(|came| came.knocks.push((number, volume))).await {
            Some(Word::Failed(failed)) => {
                self.is_known = false;
                Err(failed)
            }
            _ => Ok(()),
        }
    }

    /// Hands in the message; its answer. None when Python has nothing more to say.
    pub async fn hand_in(mut self, method: usize, message: Vec<u8>) -> Option<Result<Vec<u8>, Failure>> {
        let number = self.number;
        let word = self.ask(|came| came.messages.push((number, method, message))).await;
        self.is_known = false;
        match word? {
            Word::Done(answer) => Some(Ok(answer)),
            Word::Failed(failed) => Some(Err(failed)),
            Word::Admitted => None,
        }
    }

    async fn ask(&mut self, write: impl FnOnce(&mut Came)) -> Option<Word> {
        let (say, said) = oneshot::channel();
        self.desk.waiting.borrow_mut().insert(self.number, say);
        self.is_known = true;
        self.desk.outbox.put(write);
        said.await.ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.desk.open.set(self.desk.open.get() - 1);
        if self.is_known {
            self.desk.waiting.borrow_mut().remove(&self.number);
            self.desk.outbox.put(|came| came.left.push(self.number));
        }
    }
}
