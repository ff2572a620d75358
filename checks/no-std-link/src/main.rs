//! Links and runs on the host without `std`, without `alloc` and without a global allocator: exit status 0 if each use of the
//! core crates gave what it should, else the number of the first that did not.
#![no_std]
#![no_main]

mod adapter;
mod client;
mod codec;

use core::{ffi::c_int, panic::PanicInfo};

// The start-up code of the host's C library calls `main`, and `core` needs its `memcpy`; nothing else is taken from it.
#[link(name = "c")]
unsafe extern "C" {}

/// The entry that the host's start-up code looks for.
// SAFETY: no other `main` is in this program, and the signature is the one that C gives it.
#[unsafe(no_mangle)]
pub extern "C" fn main(_argc: c_int, _argv: *const *const u8) -> c_int {
    let checks = [codec::run, client::run, adapter::run];
    checks
        .iter()
        .position(|check| !check())
        .map_or(0, |n| c_int::try_from(n + 1).unwrap_or(c_int::MAX))
}

/// The `core` of the host is built to unwind and names this function; nothing here unwinds, so nothing calls it.
// SAFETY: without `std` nobody else defines it.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
