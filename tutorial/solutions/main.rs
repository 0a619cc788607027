//! Solutions of the book's exercises, a module each. `cargo test --test solutions` runs their tests.
//!
//! Have you tried it yourself first?
