//! The negotiation of permessage-deflate (RFC 7692): whether messages are compressed, and what each
//! side may remember of those before.
//!
//! A client *offers* the extension in its handshake, a server accepts or *declines*. What both have
//! agreed on is in the response.
//!
//! It needs nothing but `std`.
//!
//! Chapter 16 of the book.

/// What both sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The server.
    pub server: Direction,
    /// The client.
    pub client: Direction,
}

/// What one side may do when it compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Whether a message may have matches in earlier ones (*context takeover*).
    pub context_takeover: bool,
    /// A match reaches back 2^`max_window_bits` bytes at most. 8 to 15.
    pub max_window_bits: u8,
}

impl Default for Direction {
    fn default() -> Direction {
        Direction { context_takeover: true, max_window_bits: 15 }
    }
}

const NAME: &str = "permessage-deflate";
const PARAMETERS: [&str; 4] = [
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
];

/// The offer of a client (`Sec-WebSocket-Extensions`): what it will do itself, and what it asks of
/// the server.
///
/// ```
/// use sockets_by_hand::ws::permessage::{Agreement, Direction, offer};
///
/// let everything = Direction::default();
/// let agreement = Agreement { server: everything, client: everything };
/// assert_eq!(offer(agreement), "permessage-deflate; client_max_window_bits");
/// ```
pub fn offer(wanted: Agreement) -> String {
    let mut header = NAME.to_string();
    write(&mut header, wanted);
    if wanted.client.max_window_bits == 15 {
        header.push_str("; client_max_window_bits"); // the server may name a smaller window
    }
    header
}

/// The server's side: takes the first of the offers that is valid, within what the server wants.
/// Returns what is agreed on, and the header of the response. `None` declines them all: a malformed
/// offer is not an error of the handshake (RFC 7692 §7.1).
///
/// ```
/// use sockets_by_hand::ws::permessage::{Agreement, Direction, accept};
///
/// let wanted = Direction { context_takeover: false, max_window_bits: 12 };
/// let wanted = Agreement { server: wanted, client: wanted };
/// let offers = "permessage-deflate; client_max_window_bits, permessage-deflate";
/// let (agreement, header) = accept(offers, wanted).unwrap();
/// assert_eq!(agreement, wanted);
/// assert_eq!(
///     header,
///     "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
///      server_max_window_bits=12; client_max_window_bits=12",
/// );
/// ```
pub fn accept(offers: &str, wanted: Agreement) -> Option<(Agreement, String)> {
    let agreement = split(offers, ',').into_iter().find_map(|offer| {
        let offered = Parameters::parse(offer)?;
        let [server_no, client_no] = offered.no_context_takeover;
        let server = Direction {
            context_takeover: wanted.server.context_takeover && !server_no,
            max_window_bits: wanted.server.max_window_bits.min(offered.server_bits()?),
        };
        // Only a client that says so understands a limit of its window (§7.1.2.2).
        let client_bits = match offered.client_bits {
            Bits::Absent => 15,
            Bits::NoValue => wanted.client.max_window_bits,
            Bits::Value(bits) => wanted.client.max_window_bits.min(bits),
        };
        let client = Direction {
            context_takeover: wanted.client.context_takeover && !client_no,
            max_window_bits: client_bits,
        };
        Some(Agreement { server, client })
    })?;
    let mut header = NAME.to_string();
    write(&mut header, agreement);
    Some((agreement, header))
}

/// The client's side: what the response to its offer says. `None` if it chose nothing.
///
/// # Errors
/// The response is malformed, or not one to this offer: the connection fails (§7.1).
pub fn agree(response: &str, offered: Agreement) -> Result<Option<Agreement>, &'static str> {
    let extensions = split(response, ',');
    let extension = match extensions[..] {
        [""] => return Ok(None),
        [extension] => extension,
        _ => return Err("it chose an extension twice"),
    };
    let chosen =
        Parameters::parse(extension).ok_or("it chose an extension that was not offered")?;
    let [server_no, client_no] = chosen.no_context_takeover;
    let (server_bits, client_bits) = match (chosen.server_bits(), chosen.client_bits) {
        (Some(server_bits), Bits::Absent) => (server_bits, offered.client.max_window_bits),
        (Some(_), Bits::Value(bits)) if bits > offered.client.max_window_bits => {
            return Err("it asks for a larger window than was offered");
        }
        (Some(server_bits), Bits::Value(client_bits)) => (server_bits, client_bits),
        _ => return Err("it names a window without its size"),
    };
    if server_bits > offered.server.max_window_bits {
        return Err("it will use a larger window than was offered");
    }
    if !server_no && !offered.server.context_takeover {
        return Err("it will use a context that was not offered");
    }
    Ok(Some(Agreement {
        server: Direction { context_takeover: !server_no, max_window_bits: server_bits },
        client: Direction {
            context_takeover: offered.client.context_takeover && !client_no,
            max_window_bits: client_bits,
        },
    }))
}

/// Appends the parameters that differ from the default.
fn write(header: &mut String, Agreement { server, client }: Agreement) {
    for (name, side) in PARAMETERS[..2].iter().zip([server, client]) {
        if !side.context_takeover {
            header.push_str(&format!("; {name}"));
        }
    }
    for (name, side) in PARAMETERS[2..].iter().zip([server, client]) {
        if side.max_window_bits < 15 {
            header.push_str(&format!("; {name}={}", side.max_window_bits));
        }
    }
}

/// The parameters of one offer, or of the response.
#[derive(Default)]
struct Parameters {
    /// The server's, and the client's.
    no_context_takeover: [bool; 2],
    server_bits: Bits,
    client_bits: Bits,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Bits {
    #[default]
    Absent,
    NoValue,
    Value(u8),
}

impl Parameters {
    /// `None` if this is another extension, or breaks a rule of §7.1: an unknown parameter, one
    /// that occurs twice, a value where there is none, or one that is not 8 to 15.
    fn parse(extension: &str) -> Option<Parameters> {
        let parts = split(extension, ';');
        let (name, parameters) = parts.split_first()?;
        let mut parsed = Parameters::default();
        let mut seen = Vec::new();
        for parameter in parameters.iter().filter(|_| *name == NAME) {
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => {
                    (name.trim_end(), Some(value.trim_start().trim_matches('"')))
                }
                None => (*parameter, None),
            };
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            let bits = match value {
                None => Bits::NoValue,
                Some(value) => Bits::Value(window_bits(value)?),
            };
            match PARAMETERS.iter().position(|known| *known == name)? {
                side @ 0..2 if value.is_none() => parsed.no_context_takeover[side] = true,
                2 => parsed.server_bits = bits,
                3 => parsed.client_bits = bits,
                _ => return None,
            }
        }
        (*name == NAME).then_some(parsed)
    }

    /// The server's window. `None` if it has no value, which it must have.
    fn server_bits(&self) -> Option<u8> {
        match self.server_bits {
            Bits::Absent => Some(15),
            Bits::NoValue => None,
            Bits::Value(bits) => Some(bits),
        }
    }
}

/// 8 to 15, without zeros before it.
fn window_bits(value: &str) -> Option<u8> {
    let bits: u8 = value.parse().ok().filter(|bits| (8..=15).contains(bits))?;
    (value == bits.to_string()).then_some(bits)
}

/// The parts of a list. (A value in quotation marks has no separator in it: all values are numbers.)
fn split(list: &str, separator: char) -> Vec<&str> {
    list.split(separator).map(str::trim).collect()
}
