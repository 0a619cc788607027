//! Inflates a message whose end has not arrived.
//!
//! It needs `bits.rs` and `inflate.rs` beside it.
//!
//! Chapter 16 of the book.

use std::mem;

use super::bits::BitReader;
use super::inflate::{Codes, Error, Inflater, Output, begin, compressed};

/// Inflates a message whose end has not arrived, as far as it goes.
#[derive(Debug)]
pub struct Prefix {
    /// Keeps what a match may copy from.
    inflater: Inflater,
    /// How many bytes may still come out.
    max: usize,
    /// How many bits have been inflated.
    position: usize,
    /// The codes of the block at the position, unless a block begins there.
    codes: Option<Codes>,
    /// Whether the block is a final one.
    is_final: bool,
}

impl Prefix {
    /// The message is the next one of `inflater`, and has at most `max` bytes.
    pub fn new(inflater: Inflater, max: usize) -> Prefix {
        Prefix { inflater, max, position: 0, codes: None, is_final: false }
    }

    /// Takes all that has arrived of the message, with what it was given before. Returns what comes
    /// out in addition to that: up to the last whole code. (A stored block is taken as a whole.)
    ///
    /// # Errors
    /// As for [`inflate`](super::inflate::inflate), but for an end within a block. Nothing more can be inflated then.
    pub fn inflate(&mut self, compressed: &[u8]) -> Result<Vec<u8>, Error> {
        let mut bits = BitReader::new(compressed);
        bits.seek(self.position);
        let Inflater { earlier, window } = mem::replace(&mut self.inflater, Inflater::new(0));
        let mut output = Output { earlier: &earlier, bytes: Vec::new(), max: self.max, window };
        match self.blocks(&mut bits, &mut output) {
            Err(Error::Incomplete) | Ok(()) => {}
            Err(e) => return Err(e),
        }
        let bytes = output.bytes;
        self.max -= bytes.len();
        self.inflater = Inflater { earlier, window };
        self.inflater.keep(&bytes[bytes.len().saturating_sub(window)..]);
        Ok(bytes)
    }

    /// Inflates blocks up to the end.
    fn blocks(&mut self, bits: &mut BitReader, output: &mut Output) -> Result<(), Error> {
        loop {
            if self.codes.is_none() {
                (self.is_final, self.codes) = begin(bits, output)?;
            }
            if let Some(codes) = &self.codes {
                let inflated = compressed(bits, output, codes);
                self.position = bits.position();
                inflated?;
            }
            self.codes = None;
            if self.is_final {
                bits.align();
            }
            self.position = bits.position();
        }
    }
}
