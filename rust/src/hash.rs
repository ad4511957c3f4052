//! Turns bytes into keyed 128-bit hashes, and such hashes into places in a map.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::OnceLock;

use siphasher::sip128::{Hasher128, SipHasher13};

/// A keyed pseudo-random function (SipHash-1-3-128): without the key nobody can find colliding series.
#[derive(Clone, Copy)]
pub struct Keyed(SipHasher13);

impl Keyed {
    pub fn new(key: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(key))
    }

    /// Appends a whole number of words, after which `digest` is at its fastest.
    #[inline]
    pub fn word(mut self, word: u64) -> Self {
        self.0.write_u64(word);
        self
    }

    pub fn words(self, digest: u128) -> Self {
        let [low, high] = halves(digest);
        self.word(low).word(high)
    }

    /// Appends bytes behind their length, so that no two lists of parts look alike.
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.write_u64(bytes.len() as u64);
        self.0.write(bytes);
        self
    }

    /// The hash of what was appended, followed by `bytes`.
    #[inline]
    pub fn digest(&self, bytes: &[u8]) -> u128 {
        u128::from(self.0.hash(bytes))
    }

    pub fn finish(&self) -> u128 {
        u128::from(self.0.finish128())
    }
}

/// A function whose key is drawn anew by every process and never leaves it: for ids that only have to match.
pub fn fleeting() -> &'static Keyed {
    static KEYED: OnceLock<Keyed> = OnceLock::new();
    KEYED.get_or_init(|| {
        let random = RandomState::new();
        let mut key = [0; 16];
        key[..8].copy_from_slice(&random.hash_one(0).to_le_bytes());
        key[8..].copy_from_slice(&random.hash_one(1).to_le_bytes());
        Keyed::new(&key)
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the low half")]
pub fn low(digest: u128) -> u64 {
    digest as u64
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
fn halves(digest: u128) -> [u64; 2] {
    [digest as u64, (digest >> 64) as u64]
}

/// Takes the low half of a keyed hash as it is: hashing it again would add nothing.
#[derive(Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = halves(value)[0];
    }
}

/// A keyed hash that needs no alignment: a map with small values takes 20 bytes a place instead of 32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tight([u32; 4]);

impl Tight {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the four quarters")]
    pub fn of(digest: u128) -> Self {
        Self([digest as u32, (digest >> 32) as u32, (digest >> 64) as u32, (digest >> 96) as u32])
    }

    #[inline]
    pub fn digest(self) -> u128 {
        self.0.iter().rev().fold(0, |digest, quarter| digest << 32 | u128::from(*quarter))
    }
}

impl Hash for Tight {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.0[1]) << 32 | u64::from(self.0[0]));
    }
}

pub type TightMap<V> = HashMap<Tight, V, BuildHasherDefault<Identity>>;
pub type KeyedMap<V> = HashMap<u128, V, BuildHasherDefault<Identity>>;
pub type KeyedSet = HashSet<u128, BuildHasherDefault<Identity>>;
