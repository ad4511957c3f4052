//! Which connections there are, and which of them gives its place to a new one: the one that is idle longest.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection does: how many calls are open, and since when there is none.
pub struct Seat {
    number: u64,
    calls: Cell<usize>,
    idle_since: Cell<Instant>,
    asked: Cell<bool>,
    leave: Notify,
}

impl Seat {
    /// Until what comes back is dropped, it is not idle.
    pub fn busy(self: &Rc<Self>) -> Busy {
        self.calls.set(self.calls.get() + 1);
        Busy(self.clone())
    }

    /// Returns when it is to give its place to another.
    pub async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }
}

/// A call that is open.
pub struct Busy(Rc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.calls.set(self.0.calls.get() - 1);
        self.0.idle_since.set(Instant::now());
    }
}

pub struct Places {
    most: usize,
    next: Cell<u64>,
    taken: RefCell<Vec<Rc<Seat>>>,
}

impl Places {
    pub fn new(most: usize) -> Rc<Self> {
        Rc::new(Places { most, next: Cell::new(0), taken: RefCell::default() })
    }

    pub fn taken(&self) -> usize {
        self.taken.borrow().len()
    }

    /// None when all have something to do, or too many are just leaving.
    pub fn take(self: &Rc<Self>) -> Option<Place> {
        let mut taken = self.taken.borrow_mut();
        let staying = taken.iter().filter(|seat| !seat.asked.get()).count();
        if taken.len() >= 2 * self.most || (staying >= self.most && !make_room(&taken)) {
            return None;
        }
        self.next.set(self.next.get() + 1);
        let seat = Rc::new(Seat {
            number: self.next.get(),
            calls: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            asked: Cell::new(false),
            leave: Notify::new(),
        });
        taken.push(seat.clone());
        Some(Place { seat, among: self.clone() })
    }
}

fn make_room(taken: &[Rc<Seat>]) -> bool {
    let idle = taken.iter().filter(|seat| seat.calls.get() == 0 && !seat.asked.get());
    let Some(oldest) = idle.min_by_key(|seat| (seat.idle_since.get(), seat.number)) else { return false };
    oldest.asked.set(true);
    oldest.leave.notify_one();
    true
}

/// One of the connections that there may be.
pub struct Place {
    pub seat: Rc<Seat>,
    among: Rc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.among.taken.borrow_mut().retain(|seat| seat.number != self.seat.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(place: &Place) -> bool {
        place.seat.asked.get()
    }

    #[test]
    fn the_one_that_is_idle_longest_gives_its_place() {
        let places = Places::new(3);
        let [first, second, third] = [0; 3].map(|_| places.take().expect("there is room"));
        drop(first.seat.busy());
        let call = second.seat.busy();
        let fourth = places.take().expect("the third is idle longest");
        assert!(asked(&third) && !asked(&first));
        let fifth = places.take().expect("then the first");
        assert!(asked(&first) && !asked(&second) && !asked(&fourth));
        drop((first, third));
        let calls = [fourth.seat.busy(), fifth.seat.busy()];
        assert!(places.take().is_none());
        drop((call, calls));
        assert!(places.take().is_some());
        assert!(asked(&second));
    }

    #[test]
    fn those_that_are_leaving_are_bounded() {
        let places = Places::new(2);
        let kept: Vec<_> = (0..4).map(|_| places.take().expect("somebody is idle")).collect();
        assert!(places.take().is_none());
        drop(kept);
        assert_eq!(places.taken(), 0);
    }
}
