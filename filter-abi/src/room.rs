//! Where the host puts what it returns: a buffer that the caller lends for one call, so that no memory is allocated for it
//! once the buffer has grown.
//!
//! In the middle of a call the host asks for memory by [`proxy_on_memory_allocate`], writes there, and tells where that was. It is
//! believed only if that is the lent buffer.
#![expect(
    unsafe_code,
    reason = "the host writes into memory that it was given; each block says why it is sound"
)]

use riskgate_filter_sdk::host::HostError;
use std::cell::Cell;
use std::ptr::null_mut;

/// What the host says a returned buffer is.
pub(crate) struct Answer {
    pub(crate) data: *mut u8,
    pub(crate) len: usize,
}

/// A lent buffer.
enum Room {
    /// Nothing is lent: no call that returns a buffer is under way.
    None,
    /// The host did not ask yet; it gets no more than so many bytes.
    Free(Vec<u8>, usize),
    /// The host asked for that many bytes.
    Asked(Vec<u8>, usize),
    /// The host asked for more than it gets.
    TooLong(Vec<u8>),
    /// The host asked for more than there is. The buffer that was lent is freed.
    NoMemory,
}

thread_local! {
    static ROOM: Cell<Room> = const { Cell::new(Room::None) };
}

/// Runs a call that returns a buffer, which then is what `buffer` holds; empty if the call fails or finds nothing, which
/// it says by false.
pub(crate) fn filled(
    buffer: &mut Vec<u8>,
    call: impl FnOnce(&mut Answer) -> Result<bool, HostError>,
) -> Result<bool, HostError> {
    filled_up_to(usize::MAX, buffer, call)
}

/// As [`filled`], but what is longer than `max_len` bytes is not taken, and no memory for it.
pub(crate) fn filled_up_to(
    max_len: usize,
    buffer: &mut Vec<u8>,
    call: impl FnOnce(&mut Answer) -> Result<bool, HostError>,
) -> Result<bool, HostError> {
    buffer.clear();
    let mut answer = Answer {
        data: null_mut(),
        len: 0,
    };
    // A call inside of a call gets a room of its own, and this one is as it was when that ends.
    let outer = ROOM.replace(Room::Free(std::mem::take(buffer), max_len));
    let called = call(&mut answer);
    let (lent, asked_len) = match ROOM.replace(outer) {
        Room::None => (Vec::new(), 0),
        Room::Free(lent, _) => (lent, 0),
        Room::Asked(lent, asked_len) => (lent, asked_len),
        Room::TooLong(lent) => {
            *buffer = lent;
            return Err(HostError::TooLong);
        }
        Room::NoMemory => return Err(HostError::NoMemory),
    };
    *buffer = lent;
    match called {
        Ok(true) => take(buffer, asked_len, &answer).map(|()| true),
        other => other,
    }
}

/// Lets `buffer` hold what the host has written into it.
fn take(buffer: &mut Vec<u8>, asked_len: usize, answer: &Answer) -> Result<(), HostError> {
    if answer.len == 0 {
        return Ok(());
    }
    if answer.data != buffer.as_mut_ptr() || answer.len > asked_len {
        return Err(HostError::Buffer);
    }
    // SAFETY: the capacity is at least `asked_len`, because `proxy_on_memory_allocate` reserved that and nobody else had the
    // buffer since. That the host wrote the bytes it speaks of is the ABI's contract; whatever it left out holds some value
    // too, as all of a VM's memory does, which foreign code may have put there.
    unsafe { buffer.set_len(answer.len) };
    Ok(())
}

/// The host asks where to put `len` bytes; null if it has no reason to ask, or if there is no memory.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(len: usize) -> *mut u8 {
    let mut lent = match ROOM.replace(Room::None) {
        Room::Free(lent, max_len) if len > max_len => {
            ROOM.set(Room::TooLong(lent));
            return null_mut();
        }
        Room::Free(lent, _) => lent,
        // The host has the address of what it was given, so that stays.
        other => {
            ROOM.set(other);
            return null_mut();
        }
    };
    if lent.try_reserve(len).is_err() {
        ROOM.set(Room::NoMemory);
        return null_mut();
    }
    let data = lent.as_mut_ptr();
    ROOM.set(Room::Asked(lent, len));
    data
}
