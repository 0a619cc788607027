//! Ours against the originals, in all pairings. They need Node.js and what `package.json` asks npm
//! for, so `cargo test` leaves these tests out; `.ci/run` runs them all.

mod browser;
mod node;
mod npm_ws;
