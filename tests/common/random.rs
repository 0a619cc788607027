//! Data that is generated, and the same each time.

/// A generator of numbers (xorshift).
pub struct Random(pub u64);

impl Random {
    /// A number below this one.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
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
