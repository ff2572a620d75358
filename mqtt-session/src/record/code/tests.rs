//! The encoding as bytes.

use std::{format, string::String, vec, vec::Vec};

use mqtt_proto::{PacketId, Property};

use super::*;
use crate::{Instant, Token, record::Records};

fn token(n: u32) -> Token {
    Token::from_raw(n).unwrap()
}

fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

const LISTED: &[Property<'_>] = &[
    Property::MessageExpiryInterval(60),
    Property::UserProperty("k", "v"),
];

fn message() -> StoredMessage<'static> {
    StoredMessage {
        token: token(0x0102_0304),
        id: Some(id(0x0506)),
        qos: QoS::ExactlyOnce,
        retain: true,
        topic: TopicName::new("a/b").unwrap(),
        properties: Properties::new(LISTED),
        payload: StoredPayload::Bytes(b"payload"),
        accepted: Instant::from_micros(7),
        deadline: Some(Instant::from_micros(8)),
        expires: Some(Instant::MAX),
    }
}

/// Every kind of record, and what its body has been since version 1.
fn records() -> Vec<(Record<'static>, u8, &'static str)> {
    let plain = StoredMessage {
        id: None,
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: Properties::EMPTY,
        payload: StoredPayload::External(9),
        deadline: None,
        expires: None,
        ..message()
    };
    vec![
        (
            Record::Session {
                exists: true,
                outdated: false,
                client: 0xAABB_CCDD,
                number: 0x0203,
                next: token(9),
            },
            1,
            "01 aabbccdd 0203 00000009",
        ),
        (
            Record::Session {
                exists: false,
                outdated: true,
                client: 0,
                number: 0,
                next: token(u32::MAX),
            },
            1,
            "02 00000000 0000 ffffffff",
        ),
        (
            Record::Message(message()),
            2,
            "01020304 0506 1b 0000000000000007 0000000000000008 ffffffffffffffff 0003 612f62 \
             0000000c 020000003c 2600016b000176 7061796c6f6164",
        ),
        (
            Record::Message(plain),
            2,
            "01020304 0000 04 0000000000000007 0003 612f62 00000000 00000009",
        ),
        (
            Record::Sent {
                token: token(1),
                id: id(2),
            },
            3,
            "00000001 0002",
        ),
        (Record::Queued { token: token(1) }, 4, "00000001"),
        (
            Record::Released {
                token: token(1),
                id: id(2),
            },
            5,
            "00000001 0002",
        ),
        (
            Record::Aborted {
                token: token(1),
                retired: None,
                why: AbortReason::SessionLost,
            },
            6,
            "00000001 0000 02",
        ),
        (
            Record::Retired {
                token: token(1),
                id: id(2),
            },
            7,
            "00000001 0002",
        ),
        (
            Record::Ended {
                token: token(1),
                id: Some(id(65_535)),
            },
            8,
            "00000001 ffff",
        ),
        (Record::Received { id: id(3) }, 9, "0003"),
        (Record::ReceivedEnded { id: id(3) }, 10, "0003"),
    ]
}

fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut out = vec![0; record.encoded_len()];
    assert_eq!(record.encode(&mut out).unwrap().len(), record.encoded_len());
    out
}

#[test]
fn the_encoding_is_that_of_version_1() {
    for (record, kind, body) in records() {
        let bytes = encoded(&record);
        let frame = frame::read(&bytes).unwrap();
        let hex: String = frame.body.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((frame.kind, hex), (kind, body.split_whitespace().collect()));
    }
    let whole = encoded(&Record::Received { id: id(3) });
    let hex: String = whole.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "010900000002715b0003f048b161");
}

#[test]
fn what_is_written_is_read_and_the_rest_of_a_journal_with_a_torn_end() {
    let mut all = Vec::new();
    for (record, _, _) in records() {
        all.extend(encoded(&record));
    }
    let mut read = Records::new(&all);
    for ((record, _, _), back) in records().iter().zip(&mut read) {
        // Properties are listed in one and encoded in the other.
        assert_eq!(encoded(record), encoded(&back));
    }
    assert_eq!(
        (read.next(), read.error(), read.offset()),
        (None, None, all.len())
    );
    for end in 0..all.len() {
        let mut read = Records::new(&all[..end]);
        let count = read.by_ref().count();
        let whole: usize = records().iter().take(count).map(|r| r.0.encoded_len()).sum();
        assert_eq!(read.offset(), whole);
        let torn = (whole < end).then_some(RecordError::Incomplete { offset: whole });
        assert_eq!(read.error(), torn, "{end}");
    }
}

#[test]
fn a_whole_frame_that_is_no_record_is_corrupt() {
    let corrupt = Err(RecordError::Corrupt { offset: 0 });
    let mut out = [0; 64];
    for (kind, body) in [
        (0, &b""[..]),
        (11, b""),
        (SENT, b"\0\0\0\x01\0"),
        (SENT, b"\0\0\0\x01\0\0"),
        (SENT, b"\0\0\0\0\0\x01"),
        (SENT, b"\0\0\0\x01\0\x01\0"),
        (SESSION, b"\x04\0\0\0\0\0\0\0\0\0\x01"),
        (ABORTED, b"\0\0\0\x01\0\0\0"),
        (MESSAGE, b"\0\0\0\x01\0\0\x20\0\0\0\0\0\0\0\0\0\x01a\0\0\0\0"),
        (MESSAGE, b"\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\x01#\0\0\0\0"),
        (
            MESSAGE,
            b"\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\x01a\xff\xff\xff\xff",
        ),
        (MESSAGE, b"\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\x01a\0\0\0\x01\x02"),
    ] {
        let bytes = frame::write(kind, body.len(), &mut out, |out| out.copy_from_slice(body)).unwrap();
        assert_eq!(Record::decode(bytes), corrupt, "{kind} {body:?}");
    }
    let good = b"\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\x01a\0\0\0\0";
    let bytes = frame::write(MESSAGE, good.len(), &mut out, |out| out.copy_from_slice(good)).unwrap();
    assert!(
        Record::decode(bytes).is_ok(),
        "the others are wrong in one thing each"
    );
}

#[test]
fn every_reason_has_a_number_of_its_own() {
    let reasons: Vec<_> = (0..=u8::MAX)
        .filter_map(|n| reason_of(n).map(|why| (n, why)))
        .collect();
    for (number, why) in &reasons {
        assert_eq!(number_of(*why), *number);
    }
    assert!(!reasons.is_empty());
}
