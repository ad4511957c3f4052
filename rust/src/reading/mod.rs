//! Stored points into rates and levels of groups of streams, bucket by bucket.

mod doors;
mod engine;
mod fold;
mod grid;
mod lanes;
mod level;
mod pace;
mod rate;
mod relations;
mod streams;
mod sweep;

pub use fold::Fold;
