//! Chapter 02, exercise 3: do not wait for ever, and try the next address.
//!
//! A name can have several addresses, and `connect_timeout` takes one. So we look the name up
//! ourselves. Each address has its own patience; of several failures, the last is reported.

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

fn connect(name: impl ToSocketAddrs, patience: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(ErrorKind::InvalidInput, "this name has no address");
    for address in name.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(socket) => return Ok(socket),
            Err(e) => failure = e,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpListener};

    fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[test]
    fn where_one_address_fails_the_next_is_tried() {
        let nobody = nobody();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let somebody = listener.local_addr().unwrap();
        let socket = connect(&[nobody, somebody][..], Duration::from_secs(5)).unwrap();
        assert_eq!(socket.peer_addr().unwrap(), somebody);
    }

    #[test]
    fn where_all_fail_the_last_failure_is_told() {
        let refused = connect(nobody(), Duration::from_secs(5)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let nowhere = connect(&[][..], Duration::from_secs(5)).unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::InvalidInput);
    }

    /// Linux alone: elsewhere a full queue of callers is refused, not kept waiting.
    #[cfg(target_os = "linux")]
    #[test]
    fn who_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap(); // and never accepts
        let address = listener.local_addr().unwrap();
        let call = |_| connect(address, Duration::from_millis(100));
        let calls: Vec<_> = (0..1000).map(call).take_while(Result::is_ok).collect();
        assert!(calls.len() < 1000, "the queue is never full");
        assert_eq!(call(0).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
