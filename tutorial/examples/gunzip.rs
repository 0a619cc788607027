//! Decompresses what it reads: `echo Hello | gzip | cargo run --example gunzip`. Of the library it
//! has two files, and nothing else. Chapter 15.

#[path = "../../src/ws/deflate/bits.rs"]
#[allow(unused)]
mod bits;
#[path = "../../src/ws/deflate/inflate.rs"]
#[allow(unused)]
mod inflate;

use std::error::Error;
use std::io::{self, Read, Write};

/// How much may come out.
const MAX: usize = 16 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut gzip = Vec::new();
    io::stdin().read_to_end(&mut gzip)?;
    // 1f 8b: this is gzip. 8: it is DEFLATE. 0: no name of a file follows, nor anything else.
    if !gzip.starts_with(&[0x1f, 0x8b, 8, 0]) || gzip.len() < 10 {
        return Err("this is not gzip, or it has the name of a file in it".into());
    }
    let (data, len) = inflate::inflate(&gzip[10..], MAX)?;
    io::stdout().write_all(&data)?;
    eprintln!("{} bytes from {len}", data.len());
    Ok(())
}
