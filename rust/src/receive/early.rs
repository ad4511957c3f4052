//! Bytes that are held before Python has made room for them: few, over all calls together.

use std::cell::Cell;
use std::rc::Rc;

use super::settings::{EARLY_MESSAGE, EARLY_TOTAL};

#[derive(Clone)]
pub struct Early(Rc<Cell<usize>>);

impl Default for Early {
    fn default() -> Self {
        Early(Rc::new(Cell::new(EARLY_TOTAL)))
    }
}

impl Early {
    /// As much as one message may have; less, or nothing, when others have it.
    pub fn take(&self) -> Share {
        let bytes = self.0.get().min(EARLY_MESSAGE);
        self.0.set(self.0.get() - bytes);
        Share { left: self.0.clone(), bytes }
    }
}

pub struct Share {
    left: Rc<Cell<usize>>,
    bytes: usize,
}

impl Share {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back what is not needed.
    pub fn shrink(&mut self, bytes: usize) {
        let kept = bytes.min(self.bytes);
        self.left.set(self.left.get() + self.bytes - kept);
        self.bytes = kept;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_hold_no_more_than_the_total() {
        let early = Early::default();
        let mut shares: Vec<Share> = (0..100).map(|_| early.take()).collect();
        assert_eq!(shares.iter().map(Share::bytes).sum::<usize>(), EARLY_TOTAL);
        shares[0].shrink(1000);
        assert_eq!(early.take().bytes(), EARLY_MESSAGE - 1000);
        shares.clear();
        assert_eq!(early.0.get(), EARLY_TOTAL);
    }
}
