//! Chapter 02, exercise 3: do not wait for ever, and try the next address.
//!
//! A name can have several addresses, and `connect_timeout` takes one. So we look the name up
//! ourselves. Each address has the whole timeout; of several errors, the last is returned.

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

fn connect(name: impl ToSocketAddrs, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::InvalidInput, "this name has no address");
    for address in name.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => return Ok(socket),
            Err(e) => last = e,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpListener};

    /// An address at which no server listens.
    fn closed_port() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[test]
    fn after_one_address_has_failed_the_next_is_tried() {
        let closed = closed_port();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let socket = connect(&[closed, open][..], Duration::from_secs(5)).unwrap();
        assert_eq!(socket.peer_addr().unwrap(), open);
    }

    #[test]
    fn when_all_addresses_fail_the_last_error_is_returned() {
        let refused = connect(closed_port(), Duration::from_secs(5)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let no_address = connect(&[][..], Duration::from_secs(5)).unwrap_err();
        assert_eq!(no_address.kind(), ErrorKind::InvalidInput);
    }

    /// Linux alone: elsewhere a connection is refused when the backlog is full.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_address_that_never_answers_times_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap(); // and never accepts
        let address = listener.local_addr().unwrap();
        let attempt = |_| connect(address, Duration::from_millis(100));
        let connected: Vec<_> = (0..1000).map(attempt).take_while(Result::is_ok).collect();
        assert!(connected.len() < 1000, "the backlog is never full");
        assert_eq!(attempt(0).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
