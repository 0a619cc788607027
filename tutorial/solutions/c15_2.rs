//! Chapter 15, exercise 2: Huffman's tree.
//!
//! A node is the list of the symbols below it. When two nodes get a common parent, each of those symbols
//! is one step further from the root, so its code is one bit longer.

fn lengths(frequencies: &[u32]) -> Vec<u8> {
    let mut lengths = vec![0; frequencies.len()];
    let used = (0..frequencies.len()).filter(|symbol| frequencies[*symbol] > 0);
    let mut nodes: Vec<_> = used.map(|symbol| (frequencies[symbol], vec![symbol])).collect();
    while nodes.len() > 1 {
        nodes.sort_by_key(|(frequency, _)| std::cmp::Reverse(*frequency));
        let (one, other) = (nodes.pop().unwrap(), nodes.pop().unwrap());
        let symbols = [one.1, other.1].concat();
        symbols.iter().for_each(|symbol| lengths[*symbol] += 1);
        nodes.push((one.0 + other.0, symbols));
    }
    lengths
}

/// The lengths for the letters from `a` on, and how many bits a word takes with them.
#[cfg(test)]
fn word(word: &str) -> (Vec<u8>, u32) {
    let mut frequencies = [0; 26];
    word.bytes().for_each(|byte| frequencies[usize::from(byte - b'a')] += 1);
    let lengths = lengths(&frequencies);
    let bits = frequencies.iter().zip(&lengths).map(|(n, length)| n * u32::from(*length)).sum();
    (lengths, bits)
}

#[test]
fn frequent_symbols_get_short_codes() {
    assert_eq!(lengths(&[10, 1, 0, 2, 4]), [1, 3, 0, 3, 2]);
    assert_eq!(word("abracadabra").1, 23);
    assert_eq!(word("mississippi").1, 21);
    assert_eq!(word("sleeveless").1, 19);
}

#[test]
fn codes_are_complete_and_none_begins_another() {
    // A code of n bits takes one 2^n-th of all sequences of bits: together they take all.
    for text in ["ab", "abracadabra", "mississippi", "thequickbrownfoxjumpsoverthelazydog"] {
        let used = word(text).0.into_iter().filter(|length| *length > 0);
        assert_eq!(used.map(|length| 1.0 / f64::from(1 << length)).sum::<f64>(), 1.0, "{text}");
    }
}

#[test]
fn symbols_that_do_not_occur_have_no_code() {
    assert_eq!(lengths(&[0, 3, 0, 5]), [0, 1, 0, 1]);
    assert_eq!(lengths(&[0, 0]), [0, 0]);
}
