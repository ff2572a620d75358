//! Links and runs on the host without `std`, without `alloc` and without a global allocator: exit status 0 if each use of the
//! core crates gave what it should, else the number of the first that did not.
#![no_std]
#![no_main]

mod adapter;
mod client;
mod codec;
mod host;

use core::ffi::c_int;

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
