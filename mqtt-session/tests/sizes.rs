//! What the machines weigh, on this machine; a limit on each keeps it so.

use core::mem::size_of;

use mqtt_session::{
    Client, Event,
    client::{Counters, Found},
    server::ServerConn,
    storage::{ArrivalSlot, Borrowed, Fixed, Heap, Slot},
};

#[test]
fn sizes_are_printed_and_stay_within_their_limits() {
    // Those with a target of their own; what counts allocations is in `checks/alloc-count`, what a client is made of in
    // `client/composition.rs`.
    let rows = [
        ("Client<Borrowed>", size_of::<Client<Borrowed<'_>>>(), 400),
        ("Client<Fixed<4, 256>>", size_of::<Client<Fixed<4, 256>>>(), 800),
        ("Client<Fixed<8, 512>>", size_of::<Client<Fixed<8, 512>>>(), 1_228),
        (
            "Client<Fixed<8, 512, Counters>>",
            size_of::<Client<Fixed<8, 512, Counters>>>(),
            1_530,
        ),
        ("Client<Heap>", size_of::<Client<Heap>>(), 800),
        ("Counters", size_of::<Counters>(), 320),
        ("Slot", size_of::<Slot>(), 28),
        ("ArrivalSlot", size_of::<ArrivalSlot>(), 18),
        ("Event", size_of::<Event<'_>>(), 72),
        ("Found", size_of::<Found>(), 96),
        ("ServerConn", size_of::<ServerConn>(), 48),
    ];
    for (name, size, limit) in rows {
        println!("{name:32} {size:5} bytes, at most {limit:5}");
        assert!(size <= limit, "{name}: {size} bytes, the limit is {limit}");
    }
}

#[test]
fn the_machines_can_be_sent_and_shared() {
    fn check<T: Send + Sync + Unpin>() {}
    check::<Client<Borrowed<'_>>>();
    check::<Client<Fixed<4, 256>>>();
    check::<Client<Heap>>();
    check::<Event<'_>>();
    check::<mqtt_session::server::Server>();
    check::<mqtt_session::server::Broker>();
}
