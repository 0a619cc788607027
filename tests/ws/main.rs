//! Floor 2: RFC 6455, section by section, with a peer that is written by hand at the other end.

mod alone;
mod chance;
mod client;
mod clock;
mod closing;
mod everyone;
mod frames;
mod handshake;
mod leaves;
mod messages;
mod offences;
mod wire;
