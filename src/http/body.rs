//! The body of a message, behind its head.

use std::io::{BufRead, Read};

use super::Error::{self, Refused};
use super::head::read_line;
use super::{CUT_SHORT, TOO_LONG};

/// Reads a body of `len` bytes. The length is a claim of the sender: memory is taken only as bytes
/// arrive.
pub(super) fn read_exactly(
    reader: &mut impl BufRead,
    len: usize,
    max: usize,
) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    if len > max {
        return Err(TOO_LONG);
    }
    if reader.take(len as u64).read_to_end(&mut body)? < len { Err(CUT_SHORT) } else { Ok(body) }
}

/// Reads one chunk of a body (RFC 9112 §7.1): a line with its size in hexadecimal, and its bytes.
/// Returns `false` for the last chunk, which has size 0.
pub(super) fn read_chunk(
    reader: &mut impl BufRead,
    max: usize,
    body: &mut Vec<u8>,
) -> Result<bool, Error> {
    let mut line = Vec::new();
    let line = read_line(reader, &mut line)?;
    let size = chunk_size(line)?;
    body.extend(read_exactly(reader, size, max - body.len())?);
    let mut after = Vec::new();
    while !read_line(reader, &mut after)?.is_empty() {
        if size > 0 {
            return Err(Refused(400, "a chunk is longer than its size"));
        } // behind the last chunk, trailer fields may follow: they are ignored
    }
    Ok(size > 0)
}

/// The size of a chunk, from the line before it. (More digits than fit are longer than any limit.)
///
/// # Errors
/// The line does not begin with a hexadecimal number.
pub fn chunk_size(line: &[u8]) -> Result<usize, Error> {
    let size = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii_end();
    if size.is_empty() || !size.iter().all(u8::is_ascii_hexdigit) {
        return Err(Refused(400, "the size of a chunk is not a hexadecimal number"));
    }
    Ok(usize::from_str_radix(&String::from_utf8_lossy(size), 16).unwrap_or(usize::MAX))
}
