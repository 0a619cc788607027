//! Finds what has occurred before: for each position of the data, the longest match further back.
//!
//! It needs nothing but `std`.
//!
//! Chapter 15 of the book.

/// The shortest match that is searched for. (DEFLATE has matches of three bytes too, but most of
/// them take as many bits as three literals.)
pub const MIN_MATCH: usize = 4;

/// The longest match that DEFLATE has.
pub const MAX_MATCH: usize = 258;

/// Positions with the same first four bytes, as chains from the last one back (*hash chains*).
/// A position is counted from 1: 0 means that there is none.
#[derive(Debug, Default)]
pub struct Matches {
    /// By the hash of four bytes: where they have occurred last.
    head: Vec<u32>,
    /// By a position: where its four bytes, or others with that hash, have occurred before. Each
    /// entry is used again after a window.
    previous: Vec<u32>,
}

/// A match: `len` bytes from `distance` bytes back. A length of 0 means that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Match {
    pub len: usize,
    pub distance: usize,
}

/// How long a search goes on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A match of this length ends the search.
    pub nice: usize,
    /// How many earlier positions are compared.
    pub chain: usize,
}

impl Matches {
    /// Takes memory for `data`, whose first `known` bytes have been noted. A match reaches back up to
    /// `window` bytes.
    pub fn grow(&mut self, data: &[u8], known: usize, base: u32, window: usize) {
        let size = data.len().next_power_of_two().clamp(256, window);
        if self.previous.len() < size {
            *self = Matches { head: vec![0; size], previous: vec![0; size] };
            for at in 0..known.min(data.len().saturating_sub(3)) {
                self.insert(data, at, base);
            }
        }
    }

    /// Notes a position: the bytes of `data` at `at` (four at least), and counted from `base`.
    /// Returns the last position with the same hash.
    #[inline]
    pub fn insert(&mut self, data: &[u8], at: usize, base: u32) -> u32 {
        let bytes = u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
        let bits = self.head.len().trailing_zeros();
        let hash = (bytes.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize;
        let position = base + at as u32;
        let last = std::mem::replace(&mut self.head[hash], position);
        let mask = self.previous.len() - 1;
        self.previous[position as usize & mask] = last;
        last
    }

    /// The longest match for the bytes at `at`, if one is longer than `longer_than`. The search
    /// begins at `last`, which [`insert`](Matches::insert) has returned.
    pub fn longest(
        &self,
        data: &[u8],
        at: usize,
        base: u32,
        last: u32,
        longer_than: usize,
        limits: Limits,
    ) -> Match {
        let max = (data.len() - at).min(MAX_MATCH);
        let nice = limits.nice.min(max);
        let oldest = (base + at as u32).saturating_sub(self.previous.len() as u32).max(base);
        let mask = self.previous.len() - 1;
        let mut best = Match { len: longer_than.max(MIN_MATCH - 1), distance: 0 };
        let mut candidate = last;
        for _ in 0..limits.chain {
            if candidate < oldest || best.len >= max {
                break;
            }
            let from = (candidate - base) as usize;
            // A longer match ends with the same bytes: most candidates fail here.
            if data[from + best.len - 3..][..4] == data[at + best.len - 3..][..4] {
                let len = common_length(&data[from..], &data[at..], max);
                if len > best.len {
                    best = Match { len, distance: at - from };
                    if len >= nice {
                        break;
                    }
                }
            }
            let next = self.previous[candidate as usize & mask];
            if next >= candidate {
                break; // the entry has been used again
            }
            candidate = next;
        }
        if best.distance == 0 { Match::default() } else { best }
    }
}

/// How many bytes are the same at the beginning of both, up to `max`. Eight are compared at once:
/// the lowest bit that differs is in the first byte that differs.
#[inline]
fn common_length(a: &[u8], b: &[u8], max: usize) -> usize {
    let (a, b) = (&a[..max], &b[..max]);
    let mut len = 0;
    while let (Some(a), Some(b)) = (a[len..].first_chunk(), b[len..].first_chunk()) {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return len + difference.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    let rest = a[len..].iter().zip(&b[len..]);
    len + rest.take_while(|(a, b)| a == b).count()
}
