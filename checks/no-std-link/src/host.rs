//! What a program without `std` needs of its host.

use core::panic::PanicInfo;

// The start-up code of the host's C library calls `main`, and `core` needs its `memcpy`.
#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

/// The `core` of the host is built to unwind and names this function; nothing here unwinds, so nothing calls it.
// SAFETY: without `std` nobody else defines it.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: it may be called at any time, and does not return.
    unsafe { abort() }
}
