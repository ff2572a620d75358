//! The encoding as bytes.

use std::{
    format, println,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use mqtt_proto::Property;

use super::*;
use crate::{
    record::frame,
    server::{Bucket, Rate},
};

const LISTED: &[Property<'_>] = &[Property::ContentType("t"), Property::UserProperty("k", "v")];

fn message() -> KeptMessage<'static> {
    KeptMessage {
        expires_at: Instant::from_micros(7),
        qos: QoS::ExactlyOnce,
        retain: true,
        topic: TopicName::new("a/b").unwrap(),
        properties: Properties::new(LISTED),
        payload: b"payload",
    }
}

fn plain() -> KeptMessage<'static> {
    KeptMessage {
        expires_at: Instant::MAX,
        qos: QoS::AtMostOnce,
        retain: false,
        properties: Properties::EMPTY,
        payload: b"",
        ..message()
    }
}

fn number(n: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(n)
}

fn subscription() -> KeptSubscription {
    KeptSubscription {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: false,
        dollar: true,
        id: number(0x0102_0304),
    }
}

fn delivery() -> KeptDelivery<'static> {
    KeptDelivery {
        retain: true,
        ids: vec![NonZeroU32::MIN, NonZeroU32::MAX],
        group: Some("$share/g/a/#"),
    }
}

fn grant() -> Grant {
    let mut grant = Grant::default();
    (grant.pool, grant.context, grant.sees_sys) = (Pool(1), 2, false);
    grant.limits.queue_messages = 3;
    grant.limits.queue_bytes = 4;
    grant.limits.subscriptions = 5;
    grant.limits.retained_messages = 10;
    grant.limits.retained_bytes = 11;
    grant.limits.max_in_flight = 6;
    grant.limits.session_expiry_max = 7;
    grant.limits.rate = Rate {
        messages: None,
        bytes: Some(Bucket {
            per_second: 8,
            burst: 9,
        }),
    };
    grant
}

/// Every kind of entry: its key and the body of its value, as they have been since version 1.
#[rustfmt::skip]
fn entries() -> Vec<(Entry<'static>, &'static str, &'static str)> {
    let id = PacketId::new(0x0506).unwrap();
    vec![
        (Entry::Counters { invented: 0x0102 }, "01", "0000000000000102"),
        (
            Entry::Session { session: 9, kept: KeptSession {
                client_id: "me", grant: KeptGrant::OfListener(2), expiry: u32::MAX, away: None, will: None,
            } },
            "02 0000000000000009",
            "00000002 6d65 00 0002 ffffffff 00 00",
        ),
        (
            Entry::Session { session: 9, kept: KeptSession {
                client_id: "", grant: KeptGrant::Own(grant()), expiry: 1,
                away: Some(Away { expires_at: Some(Instant::from_micros(5)), will_at: None }),
                will: Some(KeptWill { delay: 3, expiry: Some(4), message: plain() }),
            } },
            "02 0000000000000009",
            "00000000 01 00000001 0000000000000002 00 0000000000000003 0000000000000004 0000000000000005 000000000000000a 000000000000000b 0006 00000007 \
             00 01 00000008 00000009 00000001 01 01 0000000000000005 00 \
             01 00000003 01 00000004 ffffffffffffffff 00 00000003 612f62 00000000",
        ),
        (
            Entry::Subscription { session: 9, filter: "$share/g/#", direct: Some(subscription()), shared: Some(KeptSubscription {
                qos: QoS::ExactlyOnce, no_local: false, retain_as_published: true, dollar: false, id: None,
            }) },
            "03 0000000000000009 2473686172652f672f23",
            "95 01020304 8a 00000000",
        ),
        (
            Entry::Subscription { session: 9, filter: "+", direct: Some(subscription()), shared: None },
            "03 0000000000000009 2b",
            "95 01020304 00",
        ),
        (
            Entry::Message { message: 8, kept: message() },
            "04 0000000000000008",
            "0000000000000007 06 00000003 612f62 0000000b 03000174 2600016b000176 7061796c6f6164",
        ),
        (
            Entry::Waiting { session: 9, place: 1, message: 8, qos: QoS::AtLeastOnce, how: KeptDelivery::default() },
            "05 0000000000000009 0000000000000001",
            "0000000000000008 01 00 00 00000000",
        ),
        (
            Entry::InFlight { session: 9, order: 2, id, stage: Outgoing::AwaitingPubRec, message: Some(8), how: delivery() },
            "06 0000000000000009 0000000000000002",
            "0506 02 01 0000000000000008 01 01 0000000c 2473686172652f672f612f23 00000002 00000001 ffffffff",
        ),
        (
            Entry::InFlight { session: 9, order: 2, id, stage: Outgoing::AwaitingPubComp, message: None, how: KeptDelivery::default() },
            "06 0000000000000009 0000000000000002",
            "0506 03 00 00 00 00000000",
        ),
        (Entry::Received { session: 9, id }, "07 0000000000000009 0506", ""),
        (
            Entry::Pull { session: 9, filter: "#", kept: KeptPull {
                qos: QoS::ExactlyOnce, dollar: true, id: number(1), until: 3, after: Some("a"),
            } },
            "08 0000000000000009 23",
            "02 01 00000001 0000000000000003 01 00000001 61",
        ),
        (
            Entry::Retained { pool: Pool(1), topic: TopicName::new("a/b").unwrap(), serial: 3, message: 8 },
            "09 00000001 612f62",
            "0000000000000003 0000000000000008",
        ),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn compact(hex: &str) -> String {
    hex.split_whitespace().collect()
}

#[test]
fn the_encoding_is_that_of_version_1() {
    for (entry, key, body) in entries() {
        println!("{entry:?}");
        let bytes = entry.key().encode();
        assert_eq!(hex(&bytes), compact(key));
        let value = entry.encode_value();
        let frame = frame::read(&value).unwrap();
        assert_eq!((frame.kind, frame.len), (bytes[0], value.len()));
        assert_eq!(hex(frame.body), compact(body));
    }
    let whole = Entry::Received {
        session: 9,
        id: PacketId::MIN,
    };
    assert_eq!(hex(&whole.encode_value()), "010700000000ae16a87fc54f");
}

#[test]
fn what_is_written_is_read() {
    for (entry, ..) in entries() {
        let (key, value) = (entry.key().encode(), entry.encode_value());
        assert_eq!(Key::decode(&key), Some(entry.key()));
        let back = Entry::decode(&key, &value).unwrap();
        // Properties are listed in one and encoded in the other.
        assert_eq!((back.key(), &back.encode_value()), (entry.key(), &value));
    }
}

#[test]
fn what_is_cut_or_changed_anywhere_is_seen() {
    for (entry, ..) in entries() {
        let (key, value) = (entry.key().encode(), entry.encode_value());
        for len in 0..value.len() {
            assert_eq!(Entry::decode(&key, &value[..len]), Err(EntryError::Corrupt));
        }
        for bit in 0..value.len() * 8 {
            let mut changed = value.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Entry::decode(&key, &changed).is_err(), "{entry:?} bit {bit}");
        }
        let longer = [&value[..], &[0]].concat();
        assert_eq!(Entry::decode(&key, &longer), Err(EntryError::Corrupt));
    }
}

#[test]
fn a_value_under_a_key_of_another_kind_is_corrupt_and_a_key_of_no_kind_is_not_known() {
    for (one, ..) in entries() {
        for (other, ..) in entries() {
            let (key, value) = (one.key().encode(), other.encode_value());
            let same = one.key().kind() == other.key().kind();
            match Entry::decode(&key, &value) {
                Ok(_) => assert!(same),
                Err(EntryError::Corrupt) => assert!(one.key() != other.key()),
                Err(error) => panic!("{error}"),
            }
        }
    }
    for key in [
        &b""[..],
        b"\0",
        b"\x0a",
        b"\x01\0",
        b"\x02\0",
        b"\x07\0\0\0\0\0\0\0\x01\0\0",
        b"\x09\0\0\0\0#",
    ] {
        assert_eq!(Key::decode(key), None, "{key:?}");
        assert_eq!(Entry::decode(key, b""), Err(EntryError::UnknownKey));
    }
}

#[test]
fn a_whole_frame_that_says_what_cannot_be_is_corrupt() {
    let body_of = |hex: &str| {
        let hex = compact(hex);
        (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect::<Vec<u8>>()
    };
    for (key, body, good) in [
        ("03 0000000000000009 2b", "95 01020304 00", true),
        ("03 0000000000000009 2b", "00 00", false), // neither
        ("03 0000000000000009 2b", "00 95 01020304", false), // no shared subscription
        ("03 0000000000000009 2b", "b5 01020304 00", false), // a flag that is not known
        ("03 0000000000000009 2b", "97 01020304 00", false), // QoS 3
        (
            "05 0000000000000009 0000000000000001",
            "0000000000000008 01 00 00 00000000",
            true,
        ),
        (
            "05 0000000000000009 0000000000000001",
            "0000000000000008 00 00 00 00000000",
            false,
        ), // QoS 0 does not wait
        (
            "05 0000000000000009 0000000000000001",
            "0000000000000008 01 02 00 00000000",
            false,
        ), // a flag that is not known
        (
            "05 0000000000000009 0000000000000001",
            "0000000000000008 01 00 01 00000001 61 00000000",
            false,
        ), // no group
        (
            "05 0000000000000009 0000000000000001",
            "0000000000000008 01 00 00 00000001 00000000",
            false,
        ), // no identifier
        (
            "05 0000000000000009 0000000000000001",
            "0000000000000008 01 00 00 ffffffff",
            false,
        ), // promised and not there
        (
            "06 0000000000000009 0000000000000002",
            "0506 03 00 00 00 00000000",
            true,
        ),
        (
            "06 0000000000000009 0000000000000002",
            "0506 01 00 00 00 00000000",
            false,
        ), // nothing to send again
        (
            "06 0000000000000009 0000000000000002",
            "0506 04 00 00 00 00000000",
            false,
        ),
        (
            "06 0000000000000009 0000000000000002",
            "0000 03 00 00 00 00000000",
            false,
        ),
        (
            "04 0000000000000008",
            "0000000000000007 06 00000003 612f62 00000000",
            true,
        ),
        (
            "04 0000000000000008",
            "0000000000000007 07 00000003 612f62 00000000",
            false,
        ),
        (
            "04 0000000000000008",
            "0000000000000007 06 00000001 23 00000000",
            false,
        ),
        (
            "04 0000000000000008",
            "0000000000000007 06 00000003 612f62 00000001 02",
            false,
        ),
    ] {
        let (key, body) = (body_of(key), body_of(body));
        let mut out = vec![0; body.len() + frame::OVERHEAD];
        frame::write(key[0], body.len(), &mut out, |out| out.copy_from_slice(&body)).unwrap();
        let decoded = Entry::decode(&key, &out);
        assert_eq!(decoded.is_ok(), good, "{} {}: {decoded:?}", hex(&key), hex(&body));
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let mut value = Entry::Counters { invented: 1 }.encode_value();
    value[0] = 9;
    let error = Entry::decode(&Key::Counters.encode(), &value).unwrap_err();
    assert_eq!(error, EntryError::UnknownVersion { version: 9 });
    assert_eq!(error.to_string(), "the value has the unknown version 9");
}
