//! Huffman codes for frequencies: what is frequent gets few bits.
//!
//! It needs nothing but `std`.
//!
//! Chapter 15 of the book.

/// The bits of a symbol, the first one at the bottom, and their number. 0 bits: the symbol has no
/// code.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Code {
    pub bits: u16,
    pub length: u8,
}

/// The length of each symbol's code, up to `max`; 0 for a symbol that does not occur. At least two
/// symbols get a code: some programs refuse a single one.
pub fn lengths(frequencies: &[u32], max: u8) -> Vec<u8> {
    // From the rarest to the most frequent symbol.
    let mut symbols: Vec<(u32, usize)> = Vec::with_capacity(frequencies.len());
    symbols.extend(frequencies.iter().copied().zip(0..).filter(|(frequency, _)| *frequency > 0));
    let missing = (0..2).filter(|symbol| frequencies[*symbol] == 0);
    let missing: Vec<_> = missing.take(2_usize.saturating_sub(symbols.len())).collect();
    symbols.extend(missing.into_iter().map(|symbol| (1, symbol)));
    symbols.sort_unstable();

    let counts = limited(&depths(&symbols), max);
    let mut lengths = vec![0; frequencies.len()];
    let mut rarest = symbols.iter();
    for (length, count) in counts.into_iter().enumerate().rev() {
        for (_, symbol) in rarest.by_ref().take(count) {
            lengths[*symbol] = length as u8;
        }
    }
    lengths
}

/// The depth of each symbol in Huffman's tree: again and again the two rarest nodes become one.
/// Symbols are sorted, and new nodes are made in the order of their frequency. So the rarest node
/// is always the first of one of the two lists.
fn depths(symbols: &[(u32, usize)]) -> Vec<usize> {
    let count = symbols.len();
    let mut frequencies: Vec<u32> = symbols.iter().map(|(frequency, _)| *frequency).collect();
    let mut parents = vec![0; 2 * count - 1];
    let (mut leaf, mut node) = (0, count);
    for parent in count..2 * count - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            let leaf_is_rarer =
                node == parent || leaf < count && frequencies[leaf] <= frequencies[node];
            let rarest = if leaf_is_rarer { &mut leaf } else { &mut node };
            sum += frequencies[*rarest];
            parents[*rarest] = parent;
            *rarest += 1;
        }
        frequencies.push(sum);
    }
    let mut depths = vec![0; 2 * count - 1]; // the last node is the root
    for node in (0..2 * count - 2).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    depths.truncate(count);
    depths
}

/// How many symbols there are of each depth, if none may be deeper than `max`. What is too deep
/// moves up to `max`, and as many others move down as the code then has too many.
fn limited(depths: &[usize], max: u8) -> Vec<usize> {
    let max = usize::from(max);
    let mut counts = vec![0; max + 1];
    depths.iter().for_each(|depth| counts[*depth.min(&max)] += 1);
    // A code of n bits takes one 2^n-th of all codes. There are `1 << max` shares.
    let taken: usize = counts.iter().enumerate().skip(1).map(|(n, count)| count << (max - n)).sum();
    for _ in 0..taken.saturating_sub(1 << max) {
        // One of the deepest gets a neighbour: the two take the place of a code one bit shorter.
        counts[max] -= 1;
        let above = (1..max).rev().find(|depth| counts[*depth] > 0).unwrap_or(1);
        counts[above] -= 1;
        counts[above + 1] += 2;
    }
    counts
}

/// The codes of these lengths (RFC 1951 §3.2.2).
pub fn codes(lengths: &[u8]) -> Vec<Code> {
    let mut next = [0_u16; 17];
    for length in lengths.iter().filter(|length| **length > 0) {
        next[usize::from(*length) + 1] += 1;
    }
    for length in 1..16 {
        next[length] = (next[length] + next[length - 1]) << 1;
    }
    let code = |length: &u8| {
        if *length == 0 {
            return Code::default();
        }
        let number = &mut next[usize::from(*length)];
        let bits = number.reverse_bits() >> (16 - length);
        *number += 1;
        Code { bits, length: *length }
    };
    lengths.iter().map(code).collect()
}
