//! What a client weighs, part by part: where to look when a limit of `tests/sizes.rs` is passed.

use core::mem::size_of;

use std::{println, vec::Vec};

use super::{
    Client, Outbox, Session,
    arrivals::Arrivals,
    config::Settings,
    ends::Ends,
    journal::Journal,
    link::Connection,
    output::{Current, Ending, Output},
    stream::Stream,
};
use crate::{
    Instant, Token,
    storage::{ArrivalSlot, Borrowed, Slot},
};

#[test]
fn a_client_is_the_sum_of_its_parts_and_little_else() {
    let whole = size_of::<Client<Borrowed<'_>>>();
    let parts: Vec<(&str, usize)> = [
        ("configuration", size_of::<Settings>()),
        (
            "storage: three slices and a block for CONNECT",
            size_of::<Borrowed<'_>>(),
        ),
        ("time", size_of::<Instant>()),
        ("connection", size_of::<Option<Connection>>()),
        ("session", size_of::<Session>()),
        ("lists of operations", size_of::<Outbox>() - size_of::<Ends>()),
        ("ends without a slot", size_of::<Ends>()),
        ("arrivals", size_of::<Arrivals>()),
        ("message in pieces", size_of::<Option<Stream>>()),
        ("packet that is written", size_of::<Option<Current>>()),
        ("end to be told", size_of::<Option<Ending>>()),
        (
            "other output",
            size_of::<Output>() - size_of::<Option<Current>>() - size_of::<Option<Ending>>(),
        ),
        ("journal", size_of::<Journal>()),
        ("next token and packet id", size_of::<Token>() + 2),
    ]
    .into();
    println!("Client<Borrowed>: {whole} bytes");
    for (name, size) in &parts {
        println!("  {size:3} {name}");
    }
    let sum: usize = parts.iter().map(|(_, size)| size).sum();
    println!("  {:3} between them", whole - sum);
    assert!(whole - sum < 8, "a part is missing in this list");
    println!(
        "Slot: {} bytes, ArrivalSlot: {} bytes",
        size_of::<Slot>(),
        size_of::<ArrivalSlot>()
    );
}
