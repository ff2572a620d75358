//! One connection without a broker: what it keeps to, whatever it is told to say.

use core::time::Duration;

use mqtt_proto::{Packet, ReasonCode, Version};
use mqtt_session::{
    Instant,
    server::{Offer, Reply, Request, ServerConn},
};

use crate::net::*;

const NOW: Instant = Instant::from_secs(1_000);

/// A connection that has heard a CONNECT, and nothing was answered yet.
fn asked(version: Version) -> ServerConn {
    let mut conn = ServerConn::new(NOW, &Offer::default());
    let bytes = encode(version, Packet::Connect(connect(version, "a")));
    let heard = conn.handle_input(NOW, &bytes);
    assert!(matches!(heard.request, Some(Request::Connect(_))));
    conn
}

fn said(conn: &mut ServerConn) -> Vec<String> {
    let mut out = [0; 256];
    let n = conn.take_transmit(&mut out);
    decode(conn.version(), &out[..n])
}

#[test]
fn what_comes_behind_the_end_means_nothing_5_0_3_14_4() {
    let bytes = encode(V5, Packet::Publish(message("t", Q1, 1, "x")));
    let mut conn = asked(V5);
    assert!(conn.handle_input(NOW, &bytes).request.is_some());
    conn.handle_over(NOW);
    let heard = conn.handle_input(NOW, &bytes);
    assert_eq!(heard.consumed, bytes.len());
    assert!(heard.request.is_none(), "{:?}", heard.request);
}

#[test]
fn the_time_for_the_last_bytes_begins_once() {
    let patience = Offer::default().connect_timeout;
    let mut conn = asked(V5);
    for seconds in [5, 7, 9] {
        conn.handle_over(NOW + Duration::from_secs(seconds));
        let late = NOW + Duration::from_secs(5) + patience;
        assert_eq!(conn.poll_timeout(), Some(late), "after {seconds}");
    }
}

#[test]
fn no_disconnect_goes_before_connack_5_mqtt_3_14_0_1() {
    for version in [V31, V311, V5] {
        let mut conn = asked(version);
        conn.handle_reply(NOW, Reply::Disconnect(ReasonCode::SERVER_SHUTTING_DOWN));
        assert_eq!(said(&mut conn), [""; 0], "{version}");
        assert!(conn.wants_close());
    }
}

#[test]
fn connack_refuses_with_any_code_in_one_that_it_may_have_5_mqtt_3_2_2_8() {
    for code in 0x80..=0xFF {
        let mut conn = asked(V5);
        conn.handle_reply(NOW, Reply::Refuse(ReasonCode(code)));
        // A code that has no place there could not be decoded.
        let said = said(&mut conn);
        assert!(
            said.len() == 1 && said[0].starts_with("CONNACK session_present=0 code=0x"),
            "{code:#x}: {said:?}"
        );
        assert!(conn.wants_close());
    }
}
