//! A client as on a small device: no `std`, no allocator, static memory, 256 bytes to receive into and 256 to send from.
//!
//! Through a simulated link, which takes and gives a few bytes at a time, it subscribes, publishes at QoS 0, 1 and 2 (one
//! message is larger than its buffers and never in memory), and receives a message of 100 KiB at QoS 2 in pieces. In
//! the middle of that the link is lost, so that the message begins anew on the next. Every byte is checked at its end.
//!
//! Prints one line, and ends with status 0 if all was as it should be.
#![no_std]
#![no_main]

mod client;
#[path = "../host.rs"]
mod host;
mod link;
mod output;
mod server;

use core::{ffi::c_int, fmt::Write};

use output::StandardOutput;

/// Bytes of the payload that comes in.
const IMAGE: u32 = 100 << 10;
/// Bytes of the largest payload that goes out.
const LOG: u32 = 3_000;

/// The byte at that place of the payload that comes in: no piece of it can stand for another one.
const fn image(at: u32) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 13) as u8
}

/// The byte at that place of the payload that goes out.
const fn log(at: u32) -> u8 {
    (at.wrapping_mul(40_503) >> 5) as u8
}

/// Why it did not work.
type Failed = &'static str;

/// The entry that the host's start-up code looks for.
// SAFETY: no other `main` is in this program, and the signature is the one that C gives it.
#[unsafe(no_mangle)]
pub extern "C" fn main(_argc: c_int, _argv: *const *const u8) -> c_int {
    let mut out = StandardOutput;
    let written = match client::run() {
        Ok(done) => writeln!(
            out,
            "device: received {} bytes at QoS 2 in {} pieces after 1 lost link, published {} messages, \
             client of {} bytes, buffers of {} and {} bytes",
            done.received, done.pieces, done.published, done.client, done.rx, done.tx
        )
        .map(|()| 0),
        Err(why) => writeln!(out, "device: {why}").map(|()| 1),
    };
    written.unwrap_or(2)
}
