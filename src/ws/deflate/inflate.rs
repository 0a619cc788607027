//! Inflate: what DEFLATE has compressed, as it was (RFC 1951).
//!
//! Compressed data is a sequence of *blocks*. A block has literal bytes, and *matches*: "copy 20
//! bytes from 300 bytes back". Both are written as Huffman codes, in which what is frequent has few
//! bits. A block may bring the lengths of its codes with it (*dynamic*), use those of the RFC
//! (*fixed*), or hold bytes as they are (*stored*).
//!
//! It needs `bits.rs` beside it.
//!
//! Chapter 15 of the book.

use std::{error, fmt};

use super::bits::BitReader;

/// How far back a match may begin, at most.
pub const MAX_WINDOW: usize = 32 * 1024;

/// The order in which a dynamic block names the lengths of its first codes (RFC 1951 §3.2.7).
pub(super) const CODE_LENGTH_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The first length of each length code, and how many bits follow it (RFC 1951 §3.2.5).
pub(super) const LENGTHS: [(u16, u8); 29] = ranges(4, 3);

/// The first distance of each distance code, and how many bits follow it.
pub(super) const DISTANCES: [(u16, u8); 30] = ranges(2, 1);

/// Each code stands for a range of values. The first `2 * group` codes have one value each; then
/// the ranges double, after each `group` codes. The last of the length codes is 258 alone.
const fn ranges<const N: usize>(group: usize, mut first: u16) -> [(u16, u8); N] {
    let mut ranges = [(0, 0); N];
    let mut code = 0;
    while code < N {
        let bits = if code < 2 * group { 0 } else { code / group - 1 };
        ranges[code] = (first, bits as u8);
        first = first.wrapping_add(1 << bits);
        code += 1;
    }
    if N == 29 {
        ranges[28] = (258, 0);
    }
    ranges
}

/// Inflates a whole stream, up to the end of its final block. Returns what was compressed, and how
/// many bytes the stream has: a format such as gzip goes on behind them.
///
/// # Errors
/// The stream is malformed, or incomplete; or more than `max` bytes would come out of it.
///
/// ```
/// # use sockets_by_hand::ws::deflate::inflate::inflate;
/// // "hello hello": fixed codes for `hello ` and `h`, and then four bytes from six bytes back.
/// let compressed = [0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x00, 0x91, 0x00];
/// let (bytes, _) = inflate(&compressed, 1000)?;
/// assert_eq!(bytes, b"hello hello");
/// # Ok::<(), sockets_by_hand::ws::deflate::inflate::Error>(())
/// ```
pub fn inflate(compressed: &[u8], max: usize) -> Result<(Vec<u8>, usize), Error> {
    let mut bits = BitReader::new(compressed);
    let mut output = Output { earlier: &[], bytes: Vec::new(), max, window: MAX_WINDOW };
    while !block(&mut bits, &mut output)? {}
    Ok((output.bytes, bits.align()))
}

/// Inflates messages, one after the other. A match of one may reach back into those before it
/// (*context takeover*).
#[derive(Clone, Debug)]
pub struct Inflater {
    /// The last bytes of earlier messages: what a match may copy from, or a little more.
    pub(super) earlier: Vec<u8>,
    pub(super) window: usize,
}

impl Inflater {
    /// Matches may reach back `window` bytes, up to [`MAX_WINDOW`].
    pub fn new(window: usize) -> Inflater {
        Inflater { earlier: Vec::new(), window }
    }

    /// Inflates one message: blocks up to the end of `compressed`.
    ///
    /// # Errors
    /// As for [`inflate`]. No further message can be inflated then.
    pub fn message(&mut self, compressed: &[u8], max: usize) -> Result<Vec<u8>, Error> {
        let mut bits = BitReader::new(compressed);
        let mut output =
            Output { earlier: &self.earlier, bytes: Vec::new(), max, window: self.window };
        while !bits.is_at_end() {
            if block(&mut bits, &mut output)? {
                bits.align(); // a final block ends with a whole byte (RFC 7692 §7.2.3.4)
            }
        }
        let message = output.bytes;
        self.keep(&message[message.len().saturating_sub(self.window)..]);
        Ok(message)
    }

    /// Keeps these bytes for the next message, and forgets the oldest.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        if self.earlier.len() + bytes.len() > 2 * self.window {
            let old = (self.earlier.len() + bytes.len() - self.window).min(self.earlier.len());
            self.earlier.drain(..old);
        }
        self.earlier.extend_from_slice(bytes);
    }

    /// Forgets all messages, and gives back the memory that they took.
    pub fn reset(&mut self) {
        self.earlier = Vec::new();
    }
}

/// What comes out.
pub(super) struct Output<'a> {
    /// What came out before, of earlier messages.
    pub(super) earlier: &'a [u8],
    pub(super) bytes: Vec<u8>,
    /// How many bytes there may be.
    pub(super) max: usize,
    /// How far back a match may begin.
    pub(super) window: usize,
}

impl Output<'_> {
    fn literals(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > self.max - self.bytes.len() {
            return Err(Error::TooLarge);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn literal(&mut self, byte: u8) -> Result<(), Error> {
        if self.bytes.len() == self.max {
            return Err(Error::TooLarge);
        }
        self.bytes.push(byte);
        Ok(())
    }

    /// Copies `len` bytes from `distance` bytes back. They may be some that it copies itself: with
    /// a distance of 1 it repeats one byte.
    #[inline]
    fn copy(&mut self, mut len: usize, distance: usize) -> Result<(), Error> {
        if distance > (self.earlier.len() + self.bytes.len()).min(self.window) {
            return Err(Error::Malformed("a distance reaches back too far"));
        }
        if len > self.max - self.bytes.len() {
            return Err(Error::TooLarge);
        }
        if distance > self.bytes.len() {
            // It begins in an earlier message.
            let start = self.earlier.len() + self.bytes.len() - distance;
            let end = self.earlier.len().min(start + len);
            self.bytes.extend_from_slice(&self.earlier[start..end]);
            len -= end - start;
            if len == 0 {
                return Ok(());
            }
        }
        let start = self.bytes.len() - distance;
        while len > 0 {
            let now = len.min(self.bytes.len() - start);
            self.bytes.extend_from_within(start..start + now);
            len -= now;
        }
        Ok(())
    }
}

/// Inflates a block. Returns whether it is the final one.
fn block(bits: &mut BitReader, output: &mut Output) -> Result<bool, Error> {
    let (is_final, codes) = begin(bits, output)?;
    if let Some(codes) = codes {
        compressed(bits, output, &codes)?;
    }
    Ok(is_final)
}

/// Reads the head of a block: whether it is the final one, and its codes. A stored block has none,
/// and is inflated.
pub(super) fn begin(
    bits: &mut BitReader,
    output: &mut Output,
) -> Result<(bool, Option<Codes>), Error> {
    bits.fill();
    let is_final = bits.read(1).ok_or(Error::Incomplete)? == 1;
    let codes = match bits.read(2).ok_or(Error::Incomplete)? {
        0 => {
            stored(bits, output)?;
            None
        }
        1 => Some(fixed_codes()),
        2 => Some(dynamic_codes(bits)?),
        _ => return Err(Error::Malformed("there is no block of type 3")),
    };
    Ok((is_final, codes))
}

/// Bytes as they are, behind their number, and the number with all bits inverted.
fn stored(bits: &mut BitReader, output: &mut Output) -> Result<(), Error> {
    let head = bits.read_bytes(4).ok_or(Error::Incomplete)?;
    let [len, inverted] = [0, 2].map(|i| u16::from_le_bytes([head[i], head[i + 1]]));
    if len != !inverted {
        return Err(Error::Malformed("the two lengths of a stored block differ"));
    }
    output.literals(bits.read_bytes(len.into()).ok_or(Error::Incomplete)?)
}

/// The codes of a block: those for literals and lengths, and those for distances.
#[derive(Debug)]
pub(super) struct Codes {
    literals: Huffman,
    distances: Huffman,
}

/// Inflates up to the end of the block. With an error, `bits` is at what could not be inflated.
pub(super) fn compressed(
    bits: &mut BitReader,
    output: &mut Output,
    codes: &Codes,
) -> Result<(), Error> {
    loop {
        bits.fill();
        let start = bits.position();
        let more = literal_or_match(bits, output, codes).inspect_err(|_| bits.seek(start))?;
        if !more {
            return Ok(());
        }
    }
}

/// Inflates a literal or a match. Returns `false` if it is the end of the block instead.
#[inline]
fn literal_or_match(
    bits: &mut BitReader,
    output: &mut Output,
    codes: &Codes,
) -> Result<bool, Error> {
    const END_OF_BLOCK: usize = 256;
    let symbol = codes.literals.decode(bits)?;
    if symbol < END_OF_BLOCK {
        output.literal(symbol as u8)?;
        return Ok(true);
    }
    if symbol == END_OF_BLOCK {
        return Ok(false);
    }
    let len = value(bits, &LENGTHS, symbol - END_OF_BLOCK - 1)?;
    bits.fill();
    let symbol = codes.distances.decode(bits)?;
    let distance = value(bits, &DISTANCES, symbol)?;
    output.copy(len, distance)?;
    Ok(true)
}

/// The value of a length code or a distance code, with the bits that follow it.
#[inline]
fn value(bits: &mut BitReader, ranges: &[(u16, u8)], code: usize) -> Result<usize, Error> {
    let (first, more) = ranges.get(code).ok_or(Error::Malformed("a code that is reserved"))?;
    let more = bits.read((*more).into()).ok_or(Error::Incomplete)?;
    Ok(usize::from(*first) + more)
}

/// The lengths of the codes of RFC 1951 §3.2.6: for literals and lengths, and for distances.
pub(super) fn fixed_lengths() -> ([u8; 288], [u8; 32]) {
    let length = |symbol| match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    };
    (std::array::from_fn(length), [5; 32])
}

fn fixed_codes() -> Codes {
    let (literals, distances) = fixed_lengths();
    let whole = "the fixed codes are complete";
    let [literals, distances] =
        [&literals[..], &distances].map(|lengths| Huffman::new(lengths).expect(whole));
    Codes { literals, distances }
}

/// Reads the codes of a dynamic block: the lengths of the codes that say the lengths of the codes
/// (RFC 1951 §3.2.7).
fn dynamic_codes(bits: &mut BitReader) -> Result<Codes, Error> {
    bits.fill();
    let mut number = |n, first| bits.read(n).map(|more| first + more).ok_or(Error::Incomplete);
    let (literals, distances, count) = (number(5, 257)?, number(5, 1)?, number(4, 4)?);
    if literals > 286 || distances > 30 {
        return Err(Error::Malformed("a dynamic block has too many codes"));
    }
    let mut lengths = [0; 19];
    for symbol in &CODE_LENGTH_ORDER[..count] {
        bits.fill();
        lengths[*symbol] = bits.read(3).ok_or(Error::Incomplete)? as u8;
    }
    let code = Huffman::new(&lengths)?;
    if !code.is_complete {
        return Err(Error::Malformed("a code is incomplete"));
    }
    let lengths = read_lengths(bits, &code, literals + distances)?;
    let (literals, distances) = lengths.split_at(literals);
    if literals[256] == 0 {
        return Err(Error::Malformed("a block has no code for its end"));
    }
    Ok(Codes { literals: Huffman::new(literals)?, distances: Huffman::new(distances)? })
}

/// Reads the lengths of codes: a number up to 15 is a length, and 16 to 18 repeat one.
fn read_lengths(bits: &mut BitReader, code: &Huffman, count: usize) -> Result<Vec<u8>, Error> {
    let mut lengths = Vec::with_capacity(count);
    while lengths.len() < count {
        bits.fill();
        let symbol = code.decode(bits)?;
        let (length, more, first) = match symbol {
            16 => {
                let last =
                    *lengths.last().ok_or(Error::Malformed("there is no length to repeat"))?;
                (last, 2, 3)
            }
            17 => (0, 3, 3),
            18 => (0, 7, 11),
            length => (length as u8, 0, 1),
        };
        let times = first + bits.read(more).ok_or(Error::Incomplete)?;
        if times > count - lengths.len() {
            return Err(Error::Malformed("a repeated length goes beyond the last code"));
        }
        lengths.resize(lengths.len() + times, length);
    }
    Ok(lengths)
}

/// How many bits of a code are looked up at once. Few codes are longer.
const FAST_BITS: u32 = 10;

/// A Huffman code: which bits stand for which symbol.
///
/// The lengths are enough to know all codes (RFC 1951 §3.2.2): the codes of one length are
/// consecutive numbers, in the order of their symbols, and those of the next length go on where
/// they end.
#[derive(Debug)]
struct Huffman {
    /// For each [`FAST_BITS`] bits: the symbol whose code they begin with, and the length of that
    /// code. A length of 0 means that the code is longer, or that there is none.
    fast: Box<[(u16, u8); 1 << FAST_BITS]>,
    /// How many codes there are of each length.
    counts: [u16; 16],
    /// The symbols in the order of their codes.
    symbols: Vec<u16>,
    /// Whether every sequence of bits begins with a code.
    is_complete: bool,
}

impl Huffman {
    /// The code with these lengths; 0 means that a symbol has no code.
    ///
    /// # Errors
    /// There are more codes than those lengths allow, or fewer. (A single code of one bit may stand
    /// alone, and there may be no code at all: then nothing can be decoded.)
    fn new(lengths: &[u8]) -> Result<Huffman, Error> {
        let mut counts = [0; 16];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;
        let mut left = 1; // how many codes of a length are not taken yet
        for count in &counts[1..] {
            left = 2 * left - i32::from(*count);
            if left < 0 {
                return Err(Error::Malformed("a code has too many symbols"));
            }
        }
        let single = counts[1] <= 1 && counts[2..].iter().all(|count| *count == 0);
        if left > 0 && !single {
            return Err(Error::Malformed("a code is incomplete"));
        }
        let mut next = [0; 16]; // where the next symbol of each length goes
        for length in 1..16 {
            next[length] = next[length - 1] + usize::from(counts[length - 1]);
        }
        let mut symbols = vec![0; next[15] + usize::from(counts[15])];
        for (symbol, length) in (0..).zip(lengths).filter(|(_, length)| **length > 0) {
            let next = &mut next[usize::from(*length)];
            symbols[*next] = symbol;
            *next += 1;
        }
        let mut huffman = Huffman {
            fast: vec![(0, 0); 1 << FAST_BITS].try_into().expect("it has this length"),
            counts,
            symbols,
            is_complete: left == 0,
        };
        huffman.fill_fast(lengths);
        Ok(huffman)
    }

    fn fill_fast(&mut self, lengths: &[u8]) {
        let mut code = 0_u32;
        let mut last_length = 0;
        for symbol in &self.symbols {
            let length = u32::from(lengths[usize::from(*symbol)]);
            if length > FAST_BITS {
                return;
            }
            code <<= length - last_length;
            last_length = length;
            // A code comes with its highest bit first, and whatever follows it is above it.
            let reversed = (code.reverse_bits() >> (32 - length)) as usize;
            for entry in self.fast[reversed..].iter_mut().step_by(1 << length) {
                *entry = (*symbol, length as u8);
            }
            code += 1;
        }
    }

    /// Reads a code, and returns its symbol. The bits must have been filled.
    #[inline]
    fn decode(&self, bits: &mut BitReader) -> Result<usize, Error> {
        let (symbol, length) = self.fast[bits.peek(FAST_BITS)];
        if length == 0 {
            return self.decode_long(bits);
        }
        bits.skip(length.into()).ok_or(Error::Incomplete)?;
        Ok(symbol.into())
    }

    /// The same bit by bit: each length has its range of codes.
    fn decode_long(&self, bits: &mut BitReader) -> Result<usize, Error> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in self.counts[1..].iter().map(|count| usize::from(*count)) {
            code |= bits.read(1).ok_or(Error::Incomplete)?;
            if code < first + count {
                return Ok(self.symbols[index + code - first].into());
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Error::Malformed("bits that are no code"))
    }
}

/// Why data cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Error {
    /// It breaks a rule of RFC 1951.
    Malformed(&'static str),
    /// It ends within a block.
    Incomplete,
    /// More bytes would come out of it than there may be.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Malformed(rule) => write!(f, "the compressed data is malformed: {rule}"),
            Error::Incomplete => write!(f, "the compressed data ends within a block"),
            Error::TooLarge => write!(f, "the compressed data is too large once it is inflated"),
        }
    }
}

impl error::Error for Error {}
