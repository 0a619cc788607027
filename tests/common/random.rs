//! Data that is generated.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::env;
use std::hash::{BuildHasher, RandomState};

/// A generator of numbers (xorshift): the same seed, the same numbers. A seed must not be zero.
pub struct Random(pub u64);

impl Random {
    /// Another seed in each run. `SEED=… cargo test` repeats a run.
    pub fn new() -> Random {
        let seed = env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0)).max(1);
        println!("SEED={seed}");
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below this one.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }

    /// So many bytes, each smaller than `alphabet`, which repeat earlier ones.
    pub fn repetitive(&mut self, len: usize, alphabet: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            match self.below(4) {
                0 if !bytes.is_empty() => {
                    let start = self.below(bytes.len());
                    let end = bytes.len().min(start + self.below(300));
                    bytes.extend_from_within(start..end);
                }
                _ => bytes.push(self.below(alphabet) as u8),
            }
        }
        bytes.truncate(len);
        bytes
    }
}
