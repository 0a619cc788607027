//! Two small functions that every file with a lock or a callback needs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, even if a thread has panicked while it held the lock.
///
/// No handler and no listener runs under any lock of this crate, and nothing between two changes of
/// a state can panic: so the state is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls a function of the user's. Returns `false` if it panics; the panic hook has written that to
/// stderr.
pub(crate) fn catch_panic(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_ok()
}
