//! Floor 1, bytes: TCP and Unix sockets, a thread for each client. What Node calls `net`.
//!
//! A connection is a pipe of bytes in each direction. It has no messages, no events and no
//! memory of who else is connected. What is missing is built here, an idea a file:
//!
//! | file | idea | chapter |
//! | --- | --- | --- |
//! | [`server`] | a thread for each client, a limit, an orderly end | 03 |
//! | [`framing`] | where one message ends and the next begins | 04 |
//! | [`report`] | lines on stderr that nobody has to read | 03 |
//! | [`stream`] | TCP or a Unix socket behind one type | 05 |
//! | [`outbox`] | any thread may send, and a slow client stalls nobody | 06 |
//! | [`backoff`] | how long to wait before the next try | 07 |
//! | [`events`] | `on`, `once`, `off`, `emit` | 08 |
//! | [`clock`] | what is to happen later | 13 |

pub mod backoff;
pub mod clock;
pub mod events;
pub mod framing;
pub mod outbox;
pub mod report;
pub mod server;
pub mod stream;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use backoff::Backoff;
pub use events::Emitter;
pub use outbox::Outbox;
pub use server::Server;
pub use stream::Stream;

/// Locks what guards a state. No handler and no listener runs under any of our locks, and nothing
/// between two changes can panic: a panic elsewhere has left the state whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls what others wrote, and answers whether it returns rather than panics. (A panic has been said
/// on stderr by then.)
pub(crate) fn survives(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_ok()
}
