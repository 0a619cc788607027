//! WebSocket (RFC 6455), section by section, against a peer that is written by hand.

mod broadcast;
mod client;
mod clock;
mod closing;
mod compression;
mod copied_alone;
mod frames;
mod fuzz;
mod handshake;
mod messages;
pub mod peer;
mod permessage;
mod primitives;
mod protocol_errors;
