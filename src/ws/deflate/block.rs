//! Writes the blocks of DEFLATE (RFC 1951 §3.2).
//!
//! It needs `bits.rs`, `huffman.rs`, `inflate.rs` (for its tables) and `matches.rs` beside it.
//!
//! Chapter 15 of the book.

use super::bits::BitWriter;
use super::huffman::{self, Code};
use super::inflate::{CODE_LENGTH_ORDER, DISTANCES, LENGTHS, fixed_lengths};
use super::matches::{MAX_MATCH, Match};

/// How many literals and matches a block has at most: then its codes no longer fit what follows.
const MAX_TOKENS: usize = 16 * 1024;

const END_OF_BLOCK: usize = 256;

/// How many bytes a stored block holds at most.
const MAX_STORED: usize = u16::MAX as usize;

/// A block that is being filled.
pub struct Block {
    /// Where its data begins.
    start: usize,
    /// Literal bytes, and matches: [`MATCH`], the length in 9 bits, the distance in 16.
    tokens: Vec<u32>,
    /// How often each symbol occurs: literals, the end of the block, lengths.
    literals: [u32; 286],
    /// The same for distances.
    distances: [u32; 30],
}

/// What a token has that is a match.
const MATCH: u32 = 1 << 31;

/// A code that is one of a range of values, and which one it is: the bits that follow the code.
struct Ranged {
    code: usize,
    more: u32,
    bits: u32,
}

fn length(len: usize) -> Ranged {
    let value = (len - 3) as u32;
    let code = match value {
        _ if len == MAX_MATCH => 28,
        0..8 => value,
        _ => {
            let n = value.ilog2();
            4 * (n - 1) + ((value >> (n - 2)) & 3)
        }
    };
    ranged(code as usize, len, &LENGTHS)
}

fn distance(distance: usize) -> Ranged {
    let value = (distance - 1) as u32;
    let code = match value {
        0..4 => value,
        _ => {
            let n = value.ilog2();
            2 * n + ((value >> (n - 1)) & 1)
        }
    };
    ranged(code as usize, distance, &DISTANCES)
}

fn ranged(code: usize, value: usize, ranges: &[(u16, u8)]) -> Ranged {
    let (first, bits) = ranges[code];
    Ranged { code, more: (value - usize::from(first)) as u32, bits: bits.into() }
}

impl Block {
    pub fn new(start: usize) -> Block {
        let mut literals = [0; 286];
        literals[END_OF_BLOCK] = 1;
        Block { start, tokens: Vec::new(), literals, distances: [0; 30] }
    }

    pub fn is_full(&self) -> bool {
        self.tokens.len() >= MAX_TOKENS
    }

    #[inline]
    pub fn push_literal(&mut self, byte: u8) {
        self.tokens.push(byte.into());
        self.literals[usize::from(byte)] += 1;
    }

    #[inline]
    pub fn push_match(&mut self, found: Match) {
        self.tokens.push(MATCH | (found.len as u32) << 16 | found.distance as u32);
        self.literals[END_OF_BLOCK + 1 + length(found.len).code] += 1;
        self.distances[distance(found.distance).code] += 1;
    }

    /// Writes the block in the form that takes the fewest bits. Its data ends at `end`.
    pub fn write(&self, data: &[u8], end: usize, bits: &mut BitWriter) {
        if self.tokens.is_empty() {
            return;
        }
        let data = &data[self.start..end];
        let dynamic = Lengths {
            literals: huffman::lengths(&self.literals, 15),
            distances: huffman::lengths(&self.distances, 15),
        };
        let header = Header::new(&dynamic);
        let (literals, distances) = fixed_lengths();
        let fixed = Lengths { literals: literals.to_vec(), distances: distances.to_vec() };
        let dynamic_size = header.size() + self.size(&dynamic);
        let fixed_size = self.size(&fixed);
        let stored_size = 8 * (data.len() + 5 * data.len().div_ceil(MAX_STORED));
        if stored_size <= dynamic_size.min(fixed_size) {
            store(data, bits);
        } else if fixed_size <= dynamic_size {
            bits.write(0b01 << 1, 3);
            self.write_tokens(&fixed, bits);
        } else {
            bits.write(0b10 << 1, 3);
            header.write(bits);
            self.write_tokens(&dynamic, bits);
        }
    }

    /// How many bits the tokens take with these codes.
    fn size(&self, lengths: &Lengths) -> usize {
        let codes = |frequencies: &[u32], lengths: &[u8]| -> usize {
            let each = frequencies.iter().zip(lengths);
            each.map(|(count, length)| *count as usize * usize::from(*length)).sum()
        };
        let more = |frequencies: &[u32], ranges: &[(u16, u8)]| -> usize {
            let each = frequencies.iter().zip(ranges);
            each.map(|(count, (_, bits))| *count as usize * usize::from(*bits)).sum()
        };
        codes(&self.literals, &lengths.literals)
            + codes(&self.distances, &lengths.distances)
            + more(&self.literals[END_OF_BLOCK + 1..], &LENGTHS)
            + more(&self.distances, &DISTANCES)
    }

    fn write_tokens(&self, lengths: &Lengths, bits: &mut BitWriter) {
        let literals = huffman::codes(&lengths.literals);
        let distances = huffman::codes(&lengths.distances);
        let write =
            |bits: &mut BitWriter, code: Code| bits.write(code.bits.into(), code.length.into());
        for token in &self.tokens {
            if token & MATCH == 0 {
                write(bits, literals[*token as usize]);
                continue;
            }
            let len = length((token >> 16 & 0x1ff) as usize);
            write(bits, literals[END_OF_BLOCK + 1 + len.code]);
            bits.write(len.more, len.bits);
            let distance = distance((token & 0xffff) as usize);
            write(bits, distances[distance.code]);
            bits.write(distance.more, distance.bits);
        }
        write(bits, literals[END_OF_BLOCK]);
    }
}

/// Writes bytes as they are, in as many blocks as it takes; for no bytes, an empty one.
pub fn store(data: &[u8], bits: &mut BitWriter) {
    let empty: &[u8] = &[];
    let blocks = data.chunks(MAX_STORED).chain(data.is_empty().then_some(empty));
    for block in blocks {
        let len = block.len() as u16;
        bits.write(0b00 << 1, 3);
        bits.write_bytes(&[len.to_le_bytes(), (!len).to_le_bytes()].concat());
        bits.write_bytes(block);
    }
}

/// The lengths of the codes of a block.
struct Lengths {
    literals: Vec<u8>,
    distances: Vec<u8>,
}

/// What a dynamic block begins with: the lengths of its codes, which are encoded themselves (RFC
/// 1951 §3.2.7).
struct Header {
    /// How many lengths there are for literals and for distances.
    counts: [usize; 2],
    /// A symbol, the bits that follow it, and their number.
    symbols: Vec<(usize, u32, u32)>,
    /// The lengths of the codes for those symbols.
    lengths: Vec<u8>,
}

impl Header {
    fn new(lengths: &Lengths) -> Header {
        let used = |lengths: &[u8], min| {
            let last = lengths.iter().rposition(|length| *length > 0);
            last.map_or(min, |last| (last + 1).max(min))
        };
        let counts = [used(&lengths.literals, 257), used(&lengths.distances, 1)];
        let all = [&lengths.literals[..counts[0]], &lengths.distances[..counts[1]]].concat();
        let symbols: Vec<_> = all.chunk_by(|a, b| a == b).flat_map(repeated).collect();
        let mut frequencies = [0; 19];
        symbols.iter().for_each(|(symbol, ..)| frequencies[*symbol] += 1);
        Header { counts, symbols, lengths: huffman::lengths(&frequencies, 7) }
    }

    /// How many of the lengths are written, in their own order: those behind the last are 0.
    fn lengths_written(&self) -> usize {
        let last = CODE_LENGTH_ORDER.iter().rposition(|symbol| self.lengths[*symbol] > 0);
        last.map_or(4, |last| (last + 1).max(4))
    }

    /// How many bits it takes.
    fn size(&self) -> usize {
        let symbol = |(symbol, _, bits): &(usize, u32, u32)| {
            usize::from(self.lengths[*symbol]) + *bits as usize
        };
        let symbols: usize = self.symbols.iter().map(symbol).sum();
        14 + 3 * self.lengths_written() + symbols
    }

    fn write(&self, bits: &mut BitWriter) {
        let written = self.lengths_written();
        bits.write(self.counts[0] as u32 - 257, 5);
        bits.write(self.counts[1] as u32 - 1, 5);
        bits.write(written as u32 - 4, 4);
        for symbol in &CODE_LENGTH_ORDER[..written] {
            bits.write(self.lengths[*symbol].into(), 3);
        }
        let codes = huffman::codes(&self.lengths);
        for (symbol, more, more_bits) in &self.symbols {
            let code = codes[*symbol];
            bits.write(code.bits.into(), code.length.into());
            bits.write(*more, *more_bits);
        }
    }
}

/// The symbols for equal lengths: 16 repeats the one before 3 to 6 times; 17 and 18 stand for 3 to
/// 10, and 11 to 138, zeros.
fn repeated(run: &[u8]) -> Vec<(usize, u32, u32)> {
    let length = run[0];
    let mut symbols = Vec::new();
    let mut left = run.len();
    if length > 0 {
        symbols.push((length.into(), 0, 0));
        left -= 1;
    }
    while left > 0 {
        let (symbol, first, bits, max) = match (length, left) {
            (_, ..3) => (length.into(), left, 0, 1),
            (0, ..11) => (17, 3, 3, 10),
            (0, _) => (18, 11, 7, 138),
            (_, _) => (16, 3, 2, 6),
        };
        let now = left.min(max);
        let more = if bits == 0 { 0 } else { now - first };
        symbols.push((symbol, more as u32, bits));
        left -= now;
    }
    symbols
}
