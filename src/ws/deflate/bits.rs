//! Bits in bytes, the way DEFLATE packs them (RFC 1951 §3.1.1): the first bit is the lowest of the
//! first byte. A number has its lowest bit first, a Huffman code its highest.
//!
//! It needs nothing but `std`.
//!
//! Chapter 15 of the book.

/// Reads bits from bytes.
#[derive(Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// How many bytes have been taken into `bits`.
    taken: usize,
    /// The next bits, the very next one at the bottom. Above them are zeros.
    bits: u64,
    /// How many bits there are in `bits`.
    count: u32,
}

impl<'a> BitReader<'a> {
    /// A reader of all bits of `bytes`.
    pub fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader { bytes, taken: 0, bits: 0, count: 0 }
    }

    /// Takes bytes, so that 32 bits can be read at least, or as many as are left.
    #[inline]
    pub fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(four) = self.bytes[self.taken..].first_chunk() {
            self.bits |= u64::from(u32::from_le_bytes(*four)) << self.count;
            self.count += 32;
            self.taken += 4;
            return;
        }
        for byte in &self.bytes[self.taken..] {
            self.bits |= u64::from(*byte) << self.count;
            self.count += 8;
        }
        self.taken = self.bytes.len();
    }

    /// The next `n` bits, up to 32 of those that were filled, as a number; they stay. Zeros stand
    /// for bits behind the end.
    #[inline]
    pub fn peek(&self, n: u32) -> usize {
        (self.bits & ((1 << n) - 1)) as usize
    }

    /// Passes over `n` of the bits that were filled. `None` if there are fewer.
    #[inline]
    pub fn skip(&mut self, n: u32) -> Option<()> {
        self.count = self.count.checked_sub(n)?;
        self.bits >>= n;
        Some(())
    }

    /// Reads a number of `n` bits, up to 32 of those that were filled. `None` if there are fewer.
    #[inline]
    pub fn read(&mut self, n: u32) -> Option<usize> {
        let number = self.peek(n);
        self.skip(n).map(|()| number)
    }

    /// Passes over what is left of a byte of which bits have been read. Returns how many bytes have
    /// been read.
    pub fn align(&mut self) -> usize {
        self.bits >>= self.count % 8;
        self.count -= self.count % 8;
        self.taken - self.count as usize / 8
    }

    /// Reads `len` bytes, from the next whole one on. `None` if there are fewer.
    pub fn read_bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let start = self.align();
        let bytes = self.bytes.get(start..)?.get(..len)?;
        *self = BitReader { bytes: self.bytes, taken: start + len, bits: 0, count: 0 };
        Some(bytes)
    }

    /// How many bits have been read.
    #[inline]
    pub fn position(&self) -> usize {
        8 * self.taken - self.count as usize
    }

    /// Goes to a position that it has had, or another reader of these bytes and perhaps fewer.
    pub fn seek(&mut self, position: usize) {
        *self = BitReader { bytes: self.bytes, taken: position / 8, bits: 0, count: 0 };
        self.fill();
        _ = self.skip((position % 8) as u32);
    }

    /// Whether all bits have been read, but for those that fill up the last byte.
    pub fn is_at_end(&self) -> bool {
        self.taken == self.bytes.len() && self.count < 8
    }
}

/// Writes bits into bytes.
#[derive(Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// The last bits, which are not in `bytes` yet, the first one at the bottom.
    bits: u64,
    /// How many there are: fewer than 32.
    count: u32,
}

impl BitWriter {
    /// Writes a number as `n` bits, up to 32. It has no bits above those.
    #[inline]
    pub fn write(&mut self, number: u32, n: u32) {
        self.bits |= u64::from(number) << self.count;
        self.count += n;
        if self.count >= 32 {
            self.bytes.extend_from_slice(&(self.bits as u32).to_le_bytes());
            self.bits >>= 32;
            self.count -= 32;
        }
    }

    /// Writes bytes, from the next whole one on; zeros fill up the one before.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        let begun = self.count.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.bits.to_le_bytes()[..begun]);
        (self.bits, self.count) = (0, 0);
        self.bytes.extend_from_slice(bytes);
    }

    /// All bytes; the last is filled up with zeros.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.write_bytes(&[]);
        self.bytes
    }
}
