//! Chapter 15, exercise 3: unzip.
//!
//! In a zip file each file has a head of 30 bytes (its *local file header*), its name, a field for more,
//! and its data. What follows the last one is the index of them all, which another head begins. (Programs
//! read the index first: it says what is not in the heads of zip files that were written to a pipe.)

use sockets_by_hand::ws::deflate::gzip::crc32;
use sockets_by_hand::ws::deflate::inflate::{Error, inflate};

/// Returns the names and the contents of the files. More than `max` bytes in all are an error.
fn unzip(mut zip: &[u8], mut max: usize) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    while zip.starts_with(b"PK\x03\x04") {
        let head = take(&mut zip, 30)?;
        let number = |at: usize, len: usize| -> usize {
            head[at..at + len].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
        };
        let name = String::from_utf8_lossy(take(&mut zip, number(26, 2))?).into_owned();
        take(&mut zip, number(28, 2))?;
        let data = take(&mut zip, number(18, 4))?;
        let data = match number(8, 2) {
            0 if data.len() > max => return Err(Error::TooLarge),
            0 => data.to_vec(),
            8 => inflate(data, max)?.0,
            _ => return Err(Error::Malformed("a method other than stored and DEFLATE")),
        };
        if crc32(&data) as usize != number(14, 4) {
            return Err(Error::Malformed("the checksum is wrong"));
        }
        max -= data.len();
        files.push((name, data));
    }
    Ok(files)
}

/// Takes the first `len` bytes.
fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], Error> {
    let (first, rest) = bytes.split_at_checked(len).ok_or(Error::Incomplete)?;
    *bytes = rest;
    Ok(first)
}

/// Two files, one with DEFLATE and one as it is, by Python's `zipfile`.
#[cfg(test)]
const ZIP: &str = "
    50 4b 03 04 14 00 00 00 08 00 83 18 22 5c b7 03 5d 74 0b 00 00 00 19 00
    00 00 07 00 00 00 74 65 61 2e 74 78 74 2b 49 4d d4 51 28 c1 20 14 b9 00
    50 4b 03 04 14 00 00 00 00 00 83 18 22 5c 1f 28 aa 67 02 00 00 00 02 00
    00 00 02 00 00 00 6e 6f 6e 6f 50 4b 01 02 14 03 14 00 00 00 08 00 83 18
    22 5c b7 03 5d 74 0b 00 00 00 19 00 00 00 07 00 00 00 00 00 00 00 00 00
    00 00 80 01 00 00 00 00 74 65 61 2e 74 78 74 50 4b 01 02 14 03 14 00 00
    00 00 00 83 18 22 5c 1f 28 aa 67 02 00 00 00 02 00 00 00 02 00 00 00 00
    00 00 00 00 00 00 00 80 01 30 00 00 00 6e 6f 50 4b 05 06 00 00 00 00 02
    00 02 00 65 00 00 00 52 00 00 00 00 00
";

#[cfg(test)]
fn zip() -> Vec<u8> {
    ZIP.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn each_file_has_its_name_and_its_contents() {
    let files = unzip(&zip(), 100).unwrap();
    assert_eq!(files[0], ("tea.txt".to_string(), b"tea, tea, tea, tea, tea!\n".to_vec()));
    assert_eq!(files[1..], [("no".to_string(), b"no".to_vec())]);
}

#[test]
fn limit_counts_all_files() {
    assert_eq!(unzip(&zip(), 26), Err(Error::TooLarge));
    assert!(unzip(&zip(), 27).is_ok());
    assert_eq!(unzip(&zip(), 24), Err(Error::TooLarge));
}

#[test]
fn what_is_cut_off_or_changed_is_an_error() {
    assert_eq!(unzip(&zip()[..20], 100), Err(Error::Incomplete));
    assert_eq!(unzip(&zip()[..40], 100), Err(Error::Incomplete));
    let mut changed = zip();
    changed[14] ^= 1;
    assert!(matches!(unzip(&changed, 100), Err(Error::Malformed(_))));
}
