//! Finds streams that are of one raw series, or that differ in nothing but the process they come from.

use hashbrown::HashTable;

use crate::table::Slot;

/// End of a chain.
pub const NOBODY: u32 = u32::MAX;
/// A relative is among those that came last, or is not looked for any longer.
const MOST_LOOKED_AT: usize = 64;

/// What a stream has in common with others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Descent {
    pub raw: u64,
    pub kin: u64,
    /// Nanoseconds; 0: unknown, until its first point stands for it.
    pub start: i64,
    /// Whether it comes from a page that somebody else reads again and again.
    pub scraped: bool,
}

/// The slot that came last of each raw series and of each kin; slots know the one that came before them.
#[derive(Default)]
pub struct Kindred {
    raw: HashTable<u32>,
    kin: HashTable<u32>,
}

impl Kindred {
    pub fn insert(&mut self, slots: &mut [Slot], index: u32) {
        let Slot { raw, kin, .. } = slots[index as usize];
        let next_raw = replace(&mut self.raw, slots, index, |slot| slot.raw, raw);
        let next_kin = replace(&mut self.kin, slots, index, |slot| slot.kin, kin);
        let slot = &mut slots[index as usize];
        (slot.next_raw, slot.next_kin) = (next_raw, next_kin);
    }

    pub fn rebuild(&mut self, slots: &mut [Slot], mut live: Vec<u32>) {
        *self = Self::default();
        live.retain(|index| slots[*index as usize].raw != 0);
        live.sort_unstable_by_key(|index| slots[*index as usize].seen);
        for index in live {
            self.insert(slots, index);
        }
    }

    /// Streams of the raw series, the last to come first.
    pub fn same<'a>(&self, slots: &'a [Slot], raw: u64) -> impl Iterator<Item = u32> + use<'a> {
        let head = self.raw.find(raw, |index| slots[*index as usize].raw == raw).copied();
        chain(slots, head, |slot| slot.next_raw)
    }

    pub fn kin<'a>(&self, slots: &'a [Slot], kin: u64) -> impl Iterator<Item = u32> + use<'a> {
        let head = self.kin.find(kin, |index| slots[*index as usize].kin == kin).copied();
        chain(slots, head, |slot| slot.next_kin)
    }
}

fn replace(
    heads: &mut HashTable<u32>,
    slots: &[Slot],
    index: u32,
    hash: impl Fn(&Slot) -> u64,
    key: u64,
) -> u32 {
    let hash_of = |other: &u32| hash(&slots[*other as usize]);
    if let Some(head) = heads.find_mut(key, |other| hash_of(other) == key) {
        return std::mem::replace(head, index);
    }
    heads.insert_unique(key, index, hash_of);
    NOBODY
}

fn chain<'a>(
    slots: &'a [Slot],
    head: Option<u32>,
    next: impl Fn(&Slot) -> u32 + 'a,
) -> impl Iterator<Item = u32> + 'a {
    std::iter::successors(head, move |index| {
        Some(next(&slots[*index as usize])).filter(|next| *next != NOBODY)
    })
    .take(MOST_LOOKED_AT)
}
