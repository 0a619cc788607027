//! Floor 2: RFC 6455, section by section, with a peer that is written by hand at the other end.

mod closing;
mod frames;
mod leaves;
mod messages;
mod offences;
mod wire;
