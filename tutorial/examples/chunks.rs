//! A demonstration.

fn main() {}
