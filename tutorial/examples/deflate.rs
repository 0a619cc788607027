//! Deflates its argument, or what it reads from its standard input, and prints what each bit says:
//! `deflate abracadabra`. It walks from bit to bit; `src/ws/deflate/inflate.rs` is faster. Chapter 15.

use std::collections::HashMap;
use std::io::{self, Read};

use sockets_by_hand::ws::deflate::bits::BitReader;
use sockets_by_hand::ws::deflate::deflate::Deflater;

fn main() -> io::Result<()> {
    let mut data = Vec::new();
    match std::env::args().nth(1) {
        Some(text) => data = text.into_bytes(),
        None => _ = io::stdin().read_to_end(&mut data)?,
    }
    let deflated = Deflater::new(15, 6).message(&data);
    println!("{} bytes, deflated {}:", data.len(), deflated.len());
    deflated.chunks(16).for_each(|row| println!("{}", hex(row)));
    let mut bits = Bits { reader: BitReader::new(&deflated), text: String::new() };
    while !bits.reader.is_at_end() {
        block(&mut bits).expect("what we deflate is complete");
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Bits, and those that have been read but not yet printed.
struct Bits<'a> {
    reader: BitReader<'a>,
    text: String,
}

impl Bits<'_> {
    /// Reads a number of `n` bits: the lowest comes first.
    fn number(&mut self, n: u32) -> Option<usize> {
        self.reader.fill();
        let number = self.reader.read(n)?;
        self.text.extend((0..n).map(|i| if number >> i & 1 == 1 { '1' } else { '0' }));
        self.text += if n > 0 { " " } else { "" };
        Some(number)
    }

    /// Reads bits until they are a code, and returns its symbol.
    fn symbol(&mut self, codes: &HashMap<String, usize>) -> Option<usize> {
        let mut code = String::new();
        while !codes.contains_key(&code) {
            self.reader.fill();
            code.push(if self.reader.read(1)? == 1 { '1' } else { '0' });
        }
        self.text += &format!("{code} ");
        Some(codes[&code])
    }

    fn print(&mut self, meaning: &str) {
        println!("{:26}{meaning}", std::mem::take(&mut self.text));
    }
}

/// The codes of these lengths: those of one length are consecutive numbers, and the next length goes
/// on where they end.
fn codes(lengths: &[usize]) -> HashMap<String, usize> {
    let mut codes = HashMap::new();
    let mut next = 0;
    for length in 1..=15 {
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| **l == length) {
            codes.insert(format!("{next:0length$b}"), symbol);
            next += 1;
        }
        next *= 2;
    }
    codes
}

fn block(bits: &mut Bits) -> Option<()> {
    bits.number(1)?; // whether it is the final one: a message has none
    match bits.number(2)? {
        0 => {
            bits.print("a stored block, from the next whole byte on:");
            let head = bits.reader.read_bytes(4)?;
            let len = u16::from_le_bytes([head[0], head[1]]);
            bits.text = hex(head);
            bits.print(&format!("{len} bytes, and the same number inverted"));
            bits.reader.read_bytes(len.into()).map(|_| ())
        }
        1 => {
            bits.print("a block with fixed codes:");
            let lengths = [vec![8; 144], vec![9; 112], vec![7; 24], vec![8; 8]].concat();
            compressed(bits, &codes(&lengths), &codes(&[5; 30]))
        }
        _ => {
            bits.print("a block with codes of its own:");
            let (literals, distances) = dynamic(bits)?;
            compressed(bits, &codes(&literals), &codes(&distances))
        }
    }
}

/// Reads the lengths of the codes of a dynamic block: for literals, and for distances.
fn dynamic(bits: &mut Bits) -> Option<(Vec<usize>, Vec<usize>)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances) = (257 + bits.number(5)?, 1 + bits.number(5)?);
    let mut lengths = [0; 19];
    for symbol in &ORDER[..4 + bits.number(4)?] {
        lengths[*symbol] = bits.number(3)?;
    }
    let codes = codes(&lengths);
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match bits.symbol(&codes)? {
            16 => (*lengths.last()?, 3 + bits.number(2)?),
            17 => (0, 3 + bits.number(3)?),
            18 => (0, 11 + bits.number(7)?),
            length => (length, 1),
        };
        lengths.resize(lengths.len() + times, length);
    }
    let count = bits.text.replace(' ', "").len();
    bits.text = format!("({count} bits)");
    bits.print("the lengths of its codes");
    let distances = lengths.split_off(literals);
    Some((lengths, distances))
}

fn compressed(
    bits: &mut Bits,
    literals: &HashMap<String, usize>,
    distances: &HashMap<String, usize>,
) -> Option<()> {
    loop {
        match bits.symbol(literals)? {
            literal @ ..256 => bits.print(&format!("{:?}", char::from(literal as u8))),
            256 => break,
            285 => matched(bits, 258, distances)?,
            symbol => {
                let len = 3 + value(bits, symbol - 257, 4)?;
                matched(bits, len, distances)?;
            }
        }
    }
    bits.print("the end of the block");
    Some(())
}

fn matched(bits: &mut Bits, len: usize, distances: &HashMap<String, usize>) -> Option<()> {
    let code = bits.symbol(distances)?;
    let distance = 1 + value(bits, code, 2)?;
    bits.print(&format!("a match: {len} bytes from {distance} back"));
    Some(())
}

/// A value from a code and the bits that follow it: after each `group` codes, one bit more.
fn value(bits: &mut Bits, code: usize, group: usize) -> Option<usize> {
    if code < group {
        return Some(code);
    }
    let more = code / group - 1;
    let first = (group + code % group) << more;
    Some(first + bits.number(more as u32)?)
}
