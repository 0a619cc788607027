//! Deflate: bytes in fewer bits, if they repeat themselves (RFC 1951).
//!
//! Two things make data short. What has occurred before is a *match*: a length and a distance. What
//! is frequent gets a short code (*Huffman*). First the matches of a block are searched; then its
//! codes can be made, because all frequencies are known.
//!
//! It needs `bits.rs`, `huffman.rs`, `inflate.rs` (for its tables) and `matches.rs` beside it.
//!
//! Chapter 15 of the book.

use super::bits::BitWriter;
use super::block::{Block, store};
use super::inflate::MAX_WINDOW;
use super::matches::{Limits, MIN_MATCH, Match, Matches};

/// How hard matches are searched for.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// A match of this length is taken at once. Of a shorter one it is seen first whether the next
    /// byte begins a longer one (*lazy matching*).
    lazy: usize,
    /// While a match of this length is held, a quarter of the positions is compared.
    good: usize,
    limits: Limits,
}

impl Effort {
    /// What each level does, from 1 to 9. (The numbers are zlib's. But at level 6, the default, zlib
    /// compares 128 positions: that takes twice the time, for 5 % fewer bytes.)
    fn of_level(level: u8) -> Effort {
        let (lazy, good, nice, chain) = match level {
            ..=1 => (0, 4, 8, 4),
            2 => (0, 4, 16, 5),
            3 => (0, 4, 32, 6),
            4 => (4, 4, 16, 16),
            5 => (16, 8, 32, 32),
            6 => (16, 8, 128, 32),
            7 => (32, 8, 128, 256),
            8 => (128, 32, 258, 1024),
            9.. => (258, 32, 258, 4096),
        };
        Effort { lazy, good, limits: Limits { nice, chain } }
    }
}

/// Deflates messages, one after the other. Unless it is [reset](Deflater::reset), a message may
/// have matches in those before it (*context takeover*).
#[derive(Debug)]
pub struct Deflater {
    level: u8,
    /// How far back a match may begin. A power of two.
    window: usize,
    /// What a match may copy from, and the message.
    data: Vec<u8>,
    /// The position of the first byte of `data`.
    base: u32,
    matches: Matches,
}

impl Deflater {
    /// Matches reach back 2^`window_bits` bytes (8 to 15). The level is from 0 (store only) to 9
    /// (search longest); zlib's default is 6.
    pub fn new(window_bits: u8, level: u8) -> Deflater {
        let window = MAX_WINDOW >> 15_u8.saturating_sub(window_bits).min(7);
        Deflater { level, window, data: Vec::new(), base: 1, matches: Matches::default() }
    }

    /// Deflates one message. Its blocks end with a whole byte, behind an empty stored block: `00 00
    /// ff ff` (RFC 7692 §7.2.1). None of them is the final one.
    pub fn message(&mut self, message: &[u8]) -> Vec<u8> {
        let mut bits = BitWriter::default();
        if self.level == 0 {
            store(message, &mut bits);
        } else {
            let start = self.data.len();
            self.data.extend_from_slice(message);
            self.matches.grow(&self.data, start, self.base, self.window);
            self.blocks(start, &mut bits);
            self.forget_oldest();
        }
        store(&[], &mut bits);
        bits.into_bytes()
    }

    /// Forgets all messages, and gives back the memory that they took.
    pub fn reset(&mut self) {
        *self = Deflater { data: Vec::new(), base: 1, matches: Matches::default(), ..*self };
    }

    /// Writes the data from `start` on as blocks.
    fn blocks(&mut self, start: usize, bits: &mut BitWriter) {
        let Deflater { data, base, matches, .. } = self;
        let effort = Effort::of_level(self.level);
        let mut block = Block::new(start);
        let mut held = Match::default(); // a match that begins one byte before `at`
        let mut at = start;
        while at < data.len() {
            let mut found = Match::default();
            if at + MIN_MATCH <= data.len() {
                let last = matches.insert(data, at, *base);
                if last > 0 && held.len < effort.lazy.max(1) {
                    let mut limits = effort.limits;
                    if held.len >= effort.good {
                        limits.chain /= 4;
                    }
                    found = matches.longest(data, at, *base, last, held.len, limits);
                }
            }
            if held.len > 0 && found.len <= held.len {
                block.push_match(held);
                let end = at - 1 + held.len;
                for at in at + 1..end.min(data.len() - MIN_MATCH + 1) {
                    matches.insert(data, at, *base);
                }
                (at, held) = (end, Match::default());
            } else {
                if held.len > 0 {
                    block.push_literal(data[at - 1]);
                }
                if found.len == 0 {
                    block.push_literal(data[at]);
                }
                (at, held) = (at + 1, found);
            }
            if block.is_full() {
                let end = if held.len > 0 { at - 1 } else { at };
                block.write(data, end, bits);
                block = Block::new(end);
            }
        }
        block.write(data, data.len(), bits);
    }

    /// Keeps the last window of the data; more, as long as moving it costs more than it takes.
    fn forget_oldest(&mut self) {
        if self.base > u32::MAX / 2 {
            return self.reset(); // before positions run out
        }
        if self.data.len() >= 2 * self.window {
            let old = self.data.len() - self.window;
            self.data.drain(..old);
            self.base += old as u32;
        }
    }
}
