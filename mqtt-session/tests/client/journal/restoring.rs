//! What a new process makes of a journal.

use core::time::Duration;

use mqtt_proto::{Properties, Property, QoS, TopicName, Version};
use mqtt_session::{
    Body, Client, Instant, Payload, Publish, Refused, Token,
    client::{self, OutboxStage, RestoreError, Restoring},
    record::Records,
    storage::{ArrivalSlot, Borrowed, Fixed, Heap, Slot},
};

use super::{KEPT, Kept, config, manual, words};
use crate::peer::topic;

/// Publishes and what came in, in every stage there is.
fn busy(version: Version) -> Kept {
    let mut kept = Kept::connected(version);
    for (qos, payload) in [
        (QoS::AtLeastOnce, "sent"),
        (QoS::ExactlyOnce, "sent too"),
        (QoS::ExactlyOnce, "released"),
        (QoS::AtLeastOnce, "ended"),
    ] {
        kept.peer.publish(qos, payload);
    }
    kept.sync();
    kept.peer.sent();
    kept.peer.pubrec(3);
    kept.peer.puback(4);
    kept.peer.send_publish(QoS::ExactlyOnce, Some(70), false, b"in");
    kept.peer.events();
    kept.sync();
    kept.peer.sent();
    kept.peer.cut();
    kept.peer.events();
    kept.peer.publish(QoS::ExactlyOnce, "waiting");
    kept.sync();
    kept
}

#[test]
fn what_was_under_way_goes_on_in_the_next_process() {
    for version in Version::ALL {
        let kept = busy(version);
        let mut again = kept.again(kept.ends.len());
        let stages: Vec<_> = again.outbox().iter().map(|m| (m.token.get(), m.stage)).collect();
        assert_eq!(
            stages,
            [
                (3, OutboxStage::Released),
                (1, OutboxStage::InFlight),
                (2, OutboxStage::InFlight),
                (5, OutboxStage::Queued),
            ]
        );
        assert!(again.peer.events().is_empty());
        again.call(false);
        assert_eq!(again.peer.sent(), ["CONNECT"], "of the session nothing is news");
        again.accept(true);
        again.sync();
        assert_eq!(
            again.peer.sent(),
            [
                "PUBREL #3",
                "PUBLISH #1 dup sent",
                "PUBLISH #2 dup sent too",
                "PUBLISH #5 waiting"
            ]
        );
        again.peer.send_publish(QoS::ExactlyOnce, Some(70), true, b"in");
        assert!(again.peer.events().is_empty(), "it was told");
        assert_eq!(again.peer.sent(), ["PUBREC #70"]);
        again.peer.puback(1);
        again.peer.pubcomp(3);
        assert_eq!(
            again.peer.events(),
            ["acknowledged 1", "acknowledged 3"],
            "under the tokens of the process before"
        );
        assert_eq!(
            again.peer.publish(QoS::AtLeastOnce, "new"),
            6,
            "and new ones are above them"
        );
    }
}

#[test]
fn every_beginning_of_a_journal_is_one_that_can_be_gone_on_from() {
    for version in Version::ALL {
        let kept = busy(version);
        for count in 0..=kept.ends.len() {
            let mut again = kept.again(count);
            let open: Vec<Token> = again.outbox().iter().map(|m| m.token).collect();
            assert!(again.peer.events().is_empty());
            let exists = again
                .journal()
                .iter()
                .rfind(|record| record.starts_with("session"))
                .is_some_and(|record| record.contains("exists") && !record.contains("outdated"));
            again.connect(false, exists);
            again.sync();
            let sent = again.peer.sent();
            assert_eq!(sent.len(), open.len(), "{count}: {sent:?}");
            // And what is written from now on goes on from it.
            let third = again.again(again.ends.len());
            assert_eq!(third.outbox().len(), open.len());
        }
    }
}

#[test]
fn a_snapshot_says_what_its_journal_says() {
    for version in Version::ALL {
        let kept = busy(version);
        let mut said: Vec<String> = kept.peer.client.snapshot().map(|record| words(&record)).collect();
        assert_eq!(
            said,
            [
                "session 1 exists",
                "released 3 #3",
                "message 1 #1",
                "message 2 #2",
                "message 5",
                "received #70"
            ]
        );
        let again = kept.again(kept.ends.len());
        let restored: Vec<String> = again
            .peer
            .client
            .snapshot()
            .map(|record| words(&record))
            .collect();
        assert_eq!(restored, said);
        // From the snapshot alone, and from the snapshot with the journal read once more behind it.
        let snapshot: Vec<_> = kept.peer.client.snapshot().collect();
        let now = kept.peer.now;
        let alone = Client::restore(config(), Heap::new(), now, snapshot.iter().copied()).unwrap();
        assert!(alone.snapshot().eq(snapshot.iter().copied()));
        let twice = snapshot.iter().copied().chain(snapshot.iter().copied());
        let twice = Client::restore(config(), Heap::new(), now, twice).unwrap();
        said.sort();
        let mut twice: Vec<String> = twice.snapshot().map(|record| words(&record)).collect();
        twice.sort();
        assert_eq!(twice, said);
    }
}

#[test]
fn what_was_not_asked_for_yet_is_in_no_snapshot_and_is_asked_for_later() {
    let mut kept = Kept::new(Version::V5);
    kept.peer.publish(QoS::AtLeastOnce, "x");
    assert_eq!(kept.peer.client.snapshot().count(), 1);
    assert_eq!(kept.record(), ["message 1"]);
    assert_eq!(kept.peer.client.snapshot().count(), 2);
}

#[test]
fn without_a_journal_a_snapshot_is_all_there_is() {
    let mut off = config();
    off.journal = false;
    let mut kept = Kept::with(Version::V311, off, Fixed::<4, 256>::new());
    kept.call(false);
    kept.peer.sent();
    kept.accept(false);
    kept.peer.publish(QoS::ExactlyOnce, "x");
    kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"in");
    kept.peer.events();
    kept.peer.sent();
    kept.peer.cut();
    kept.peer.events();
    kept.peer.publish(QoS::AtLeastOnce, "later");
    let said: Vec<String> = kept.peer.client.snapshot().map(|record| words(&record)).collect();
    assert_eq!(
        said,
        ["session 1 exists", "message 1 #1", "message 2", "received #7"]
    );
}

/// A device that goes to sleep: memory that is lent, records one at a time.
#[test]
fn a_client_in_lent_memory_is_made_from_one_record_after_the_other() {
    let kept = busy(Version::V5);
    let mut slots = [const { Slot::EMPTY }; 4];
    let mut arrivals = [const { ArrivalSlot::EMPTY }; 1];
    let mut bytes = [0; 256];
    let memory = Borrowed::new(&mut slots, &mut arrivals, &mut bytes);
    let mut restoring = Restoring::new(config(), memory, kept.peer.now);
    for record in Records::new(&kept.bytes) {
        restoring.apply(&record).unwrap();
    }
    let client = restoring.finish();
    assert!(
        client
            .snapshot()
            .eq(kept.again(kept.ends.len()).peer.client.snapshot())
    );
}

#[test]
fn memory_that_is_too_small_is_an_error_and_not_a_loss() {
    let kept = busy(Version::V5);
    let records = || Records::new(&kept.bytes);
    let now = kept.peer.now;
    let error = Client::restore(config(), Fixed::<3, 512>::new(), now, records()).unwrap_err();
    assert_eq!(error, RestoreError::Slots);
    let error = Client::restore(config(), Fixed::<8, 64>::new(), now, records()).unwrap_err();
    assert_eq!(error, RestoreError::Bytes);
    let mut slots = [const { Slot::EMPTY }; 8];
    let mut bytes = [0; 512];
    let memory = Borrowed::new(&mut slots, &mut [], &mut bytes);
    let error = Client::restore(config(), memory, now, records()).unwrap_err();
    assert_eq!(error, RestoreError::Arrivals);
}

#[test]
fn topic_properties_payload_and_moments_come_back() {
    const PROPERTIES: &[Property<'_>] = &[
        Property::MessageExpiryInterval(100),
        Property::UserProperty("k", "v"),
        Property::CorrelationData(&[0, 1, 2]),
    ];
    let mut kept = Kept::new(Version::V5);
    let mut message = Publish::new(TopicName::new("a/topic").unwrap(), QoS::ExactlyOnce);
    message.retain = true;
    message.properties = Properties::new(PROPERTIES);
    message.deadline = Some(kept.peer.now + Duration::from_secs(50));
    let now = kept.peer.now;
    kept.peer.client.publish(now, &message, "payload").unwrap();
    kept.peer
        .client
        .publish(now, &message, bytes::Bytes::from_static(b"shared"))
        .unwrap();
    kept.sync();
    let mut again = kept.again(2);
    let seen: Vec<_> = again.outbox();
    assert_eq!(seen[0].topic, Some(message.topic));
    assert!(seen[0].retain);
    assert_eq!(seen[0].accepted, Some(now));
    assert_eq!(seen[0].last_moment, message.deadline);
    // Thirty seconds later, seventy are left of the interval.
    again.peer.now = now + Duration::from_secs(30);
    again.connect(false, false);
    let transmit = again.peer.client.poll_transmit().unwrap();
    assert_eq!(transmit.body, Body::Bytes(b"payload"));
    let head = [&[0x35, 37][..], b"\0\x07a/topic\0\x01", &[18, 2, 0, 0, 0, 70]].concat();
    assert_eq!(transmit.head[..head.len()], head);
    let mut late = kept.again(2);
    late.peer.now = now + Duration::from_secs(51);
    assert_eq!(late.peer.events(), ["aborted 1 Expired", "aborted 2 Expired"]);
}

#[test]
fn an_external_payload_is_asked_for_under_its_old_token() {
    let mut kept = Kept::connected(Version::V5);
    let message = Publish::new(topic("t"), QoS::AtLeastOnce);
    let now = kept.peer.now;
    let token = kept
        .peer
        .client
        .publish(now, &message, Payload::External(1_000_000))
        .unwrap();
    kept.sync();
    assert!(
        kept.bytes.len() < 200,
        "of the payload only the length is recorded"
    );
    let mut again = kept.again(kept.ends.len());
    again.connect(false, true);
    let body = again.peer.client.poll_transmit().unwrap().body;
    let whole = Body::External {
        token,
        offset: 0,
        len: 1_000_000,
    };
    assert_eq!(body, whole);
}

#[test]
fn a_token_of_the_process_before_acknowledges_nothing() {
    let mut kept = Kept::with(Version::V5, manual(), Heap::new());
    kept.connect(false, false);
    kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"x");
    let take = |kept: &mut Kept| {
        kept.peer.next(|event| match event {
            Some(mqtt_session::Event::Message(message)) => message.ack,
            other => panic!("{other:?}"),
        })
    };
    let old = take(&mut kept).unwrap().into_raw();
    kept.sync();
    let mut again = kept.again(kept.ends.len());
    again.peer.now = again.peer.now + Duration::from_micros(1_234_567);
    let mut again = {
        let client = Client::restore(manual(), Heap::new(), again.peer.now, Records::new(&kept.bytes));
        again.peer.client = client.unwrap();
        again
    };
    again.connect(false, true);
    again.peer.send_publish(QoS::ExactlyOnce, Some(7), true, b"x");
    let new = take(&mut again).expect("it was not acknowledged, and so it is told again");
    let now = again.peer.now;
    let old = mqtt_session::AckToken::from_raw(old).unwrap();
    again
        .peer
        .client
        .acknowledge(now, old, &client::Ack::SUCCESS)
        .unwrap();
    assert!(again.sync().is_empty(), "it belongs to nothing");
    again
        .peer
        .client
        .acknowledge(now, new, &client::Ack::SUCCESS)
        .unwrap();
    assert_eq!(again.sync(), ["received #7"]);
    assert_eq!(again.peer.sent(), ["PUBREC #7"]);
}

#[test]
fn restored_is_not_connected_and_time_goes_on() {
    let kept = busy(Version::V5);
    let mut again = kept.again(kept.ends.len());
    assert!(!again.peer.client.is_connected());
    assert_eq!(again.peer.client.poll_timeout(), None);
    assert!(again.peer.sent().is_empty());
    let filter = mqtt_proto::TopicFilter::new("a").unwrap();
    let refused = again
        .peer
        .client
        .unsubscribe(Instant::ZERO, &[filter], Properties::EMPTY);
    assert_eq!(refused, Err(Refused::NotConnected));
}

/// As many as there are packet ids, in any order: what is read is found, whoever it is and however many there are. (Looking
/// through all of them for each took minutes.)
#[test]
fn a_full_outbox_comes_back_from_a_journal_and_from_a_snapshot() {
    const MESSAGES: u16 = 65_534;
    let mut kept = Kept::connected(Version::V5);
    for n in 0..MESSAGES {
        kept.peer.publish(KEPT[usize::from(n % 2)], "");
    }
    while !kept.sync().is_empty() {
        kept.peer.sent();
    }
    // The server takes those of QoS 2 over, the last one first, and one in three of QoS 1 ends.
    for n in (1..=MESSAGES).rev() {
        match (n % 2, n % 3) {
            (0, _) => kept.peer.pubrec(n),
            (_, 0) => kept.peer.puback(n),
            _ => continue,
        }
        kept.peer.events();
        if n % 1_000 == 0 {
            kept.sync();
        }
    }
    while !kept.sync().is_empty() {}
    let outbox = kept.outbox();
    assert_eq!(outbox.len(), 54_612);
    let snapshot = kept.peer.client.snapshot();
    let from_snapshot = Client::restore(config(), Heap::new(), kept.peer.now, snapshot).unwrap();
    let from_journal = kept.again(kept.ends.len());
    let tokens = |messages: &[client::OutboxMessage<'_>]| -> Vec<_> {
        messages.iter().map(|m| (m.token, m.stage)).collect()
    };
    let all: Vec<_> = from_snapshot.outbox_messages().collect();
    assert_eq!(tokens(&all), tokens(&outbox));
    assert_eq!(tokens(&from_journal.outbox()), tokens(&outbox));
}
