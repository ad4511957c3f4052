//! What the store hands on as Arrow into numbers and lists, and sealed chunks into their points.

mod arrow;
mod chunk;
mod columns;

pub use arrow::{Lists, Numbers, batches, lists, nullable, numbers, truths};
pub use chunk::Unpacked;
pub use columns::Chunks;

/// What is wrong with what was fed.
pub type Fed<T> = Result<T, String>;

/// No time is before 1970 or after 2116, so that no difference overflows.
pub const LATEST: i64 = 1 << 62;
