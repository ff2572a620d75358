//! What a full outbox gives away, and what it keeps.

use core::num::NonZeroU16;

use mqtt_proto::{
    Packet, Properties, Property, QoS, ReasonCode, Version,
    packet::{ConnAck, Connect},
};
use mqtt_session::{
    Config, Publish, Refused,
    client::WhenFull,
    storage::{Fixed, Heap, HeapLimits, Storage},
};

use crate::peer::{Peer, options, topic};

fn config(when_full: WhenFull) -> Config {
    let mut config = Config::DEFAULT;
    config.when_full = when_full;
    config
}

fn peer<S: Storage>(when_full: WhenFull, storage: S) -> Peer<S> {
    Peer::with(Version::V5, config(when_full), storage)
}

fn offer<S: Storage>(peer: &mut Peer<S>, qos: QoS, payload: &str) -> Result<u32, Refused> {
    let message = Publish::new(topic("t"), qos);
    let taken = peer.client.publish(peer.now, &message, payload);
    taken.map(|token| token.get()).map_err(|refused| refused.why)
}

fn dropped(tokens: impl IntoIterator<Item = u32>) -> Vec<String> {
    let line = |token| format!("aborted {token} DroppedForNewer");
    tokens.into_iter().map(line).collect()
}

fn limited(slots: u16, bytes: usize) -> Heap {
    Heap::with_limits(HeapLimits {
        slots,
        bytes,
        ..HeapLimits::DEFAULT
    })
}

#[test]
fn the_oldest_make_room_for_as_many_bytes_as_it_takes_and_no_more() {
    fn run<S: Storage>(mut peer: Peer<S>) {
        for payload in ["a", "b", "c"] {
            offer(&mut peer, QoS::AtLeastOnce, &payload.repeat(30)).unwrap();
        }
        assert!(peer.events().is_empty());
        // 192 bytes may be used, a message has 18 and its payload: two have to go for this one.
        offer(&mut peer, QoS::AtMostOnce, &"d".repeat(100)).unwrap();
        assert_eq!(peer.events(), dropped([1, 2]));
        peer.connect(true, false);
        let kept = [
            format!("PUBLISH #1 {}", "c".repeat(30)),
            format!("PUBLISH {}", "d".repeat(100)),
        ];
        assert_eq!(peer.sent(), kept);
    }
    run(peer(WhenFull::DropOldest, Fixed::<4, 256>::new()));
    run(peer(WhenFull::DropOldest, limited(4, 192)));
}

/// An end that is owed keeps no slot from a new message, however many there are, if they follow each other.
#[test]
fn a_program_that_only_publishes_is_never_refused_while_the_oldest_may_go() {
    fn run<S: Storage>(mut peer: Peer<S>, slots: u32) {
        for token in 1..=1_000 {
            assert_eq!(offer(&mut peer, QoS::AtLeastOnce, "x"), Ok(token));
        }
        assert_eq!(peer.events(), dropped(1..=1_000 - slots));
        peer.connect(true, false);
        assert_eq!(peer.sent().len(), slots as usize);
    }
    run(peer(WhenFull::DropOldest, Fixed::<1, 128>::new()), 1);
    run(peer(WhenFull::DropOldest, Fixed::<3, 256>::new()), 3);
    run(peer(WhenFull::DropOldest, limited(3, 1_000)), 3);
}

/// What is dropped keeps its slot until that is recorded; as long as records are polled, there is one for the next message.
#[test]
fn with_a_journal_the_oldest_make_room_as_well() {
    fn run<S: Storage>(mut peer: Peer<S>) {
        let mut gone = 0;
        for token in 1..=50 {
            assert_eq!(offer(&mut peer, QoS::ExactlyOnce, "x"), Ok(token));
            let told = peer.events();
            gone += told.len() as u32;
            assert_eq!(told, dropped(gone + 1 - told.len() as u32..=gone));
            while let Some((seq, _)) = peer.client.poll_record() {
                peer.client.handle_persisted(peer.now, seq);
            }
        }
        assert_eq!(gone, 48, "two of three are held");
        // Nobody looks: then nothing can be dropped any more, for now.
        let refused = (0..3).find_map(|_| offer(&mut peer, QoS::ExactlyOnce, "x").err());
        assert_eq!(refused, Some(Refused::Slots));
        peer.events();
        while peer.client.poll_record().is_some() {}
        assert!(offer(&mut peer, QoS::ExactlyOnce, "x").is_ok());
    }
    let mut config = config(WhenFull::DropOldest);
    config.journal = true;
    run(Peer::with(Version::V5, config, Fixed::<3, 256>::new()));
    run(Peer::with(Version::V5, config, limited(3, 1_000)));
}

/// What the server was told of aliases can be told again; a message that was dropped is gone.
#[test]
fn with_a_journal_no_message_goes_before_what_is_known_of_aliases() {
    let mut config = config(WhenFull::DropOldest);
    config.journal = true;
    let mut peer = Peer::with(Version::V5, config, Fixed::<4, 512>::new());
    let options = options(Version::V5, true);
    peer.client.connect(peer.now, &options).unwrap();
    let record = |peer: &mut Peer<_>| {
        while let Some((seq, _)) = peer.client.poll_record() {
            peer.client.handle_persisted(peer.now, seq);
        }
    };
    record(&mut peer);
    assert_eq!(peer.sent(), ["CONNECT"]);
    let limits = [Property::TopicAliasMaximum(9), Property::ReceiveMaximum(1)];
    peer.send(&Packet::ConnAck(ConnAck {
        session_present: false,
        code: ReasonCode::SUCCESS,
        properties: Properties::new(&limits),
    }));
    assert_eq!(peer.events(), ["connected false"]);
    for alias in 1..=2 {
        let mut message = Publish::new(topic("t"), QoS::AtMostOnce);
        message.alias = NonZeroU16::new(alias);
        peer.client.publish(peer.now, &message, "x").unwrap();
        assert_eq!(peer.sent(), ["PUBLISH x"]);
    }
    assert_eq!(peer.events(), ["written 1", "written 2"]);
    for token in 3..=5 {
        assert_eq!(offer(&mut peer, QoS::AtLeastOnce, "x"), Ok(token));
        record(&mut peer);
        assert!(peer.events().is_empty(), "{token}: there was room");
    }
    assert_eq!(offer(&mut peer, QoS::AtLeastOnce, "x"), Ok(6));
    assert_eq!(peer.events(), dropped([3]));
}

/// Written messages of QoS 0, whose ends nobody has looked at, keep no slot either, whatever the policy.
#[test]
fn what_has_ended_keeps_no_slot_from_what_is_new() {
    let mut peer = peer(WhenFull::Refuse, Fixed::<2, 128>::new());
    peer.connect(true, false);
    for n in 1..=50 {
        assert_eq!(offer(&mut peer, QoS::AtMostOnce, "x"), Ok(n));
        assert_eq!(peer.sent(), ["PUBLISH x"]);
    }
    let told: Vec<String> = (1..=50).map(|n| format!("written {n}")).collect();
    assert_eq!(peer.events(), told);
}

#[test]
fn ends_that_do_not_follow_each_other_fill_up_what_keeps_them_until_one_is_taken() {
    let mut peer = peer(WhenFull::DropQoS0, Fixed::<12, 2048>::new());
    for _ in 0..6 {
        offer(&mut peer, QoS::AtMostOnce, "zero").unwrap();
        offer(&mut peer, QoS::AtLeastOnce, "one").unwrap();
    }
    let mut refused = None;
    for _ in 0..6 {
        match offer(&mut peer, QoS::AtLeastOnce, "more") {
            Ok(_) => assert_eq!(refused, None, "full is full"),
            Err(why) => refused = Some(why),
        }
    }
    let refused = refused.expect("what keeps ends is bounded");
    assert_eq!(refused, Refused::Slots);
    assert!(refused.is_temporary());
    assert_eq!(peer.client.outbox().queued, 12);
    assert!(peer.next(|event| event.is_some()));
    assert!(offer(&mut peer, QoS::AtLeastOnce, "more").is_ok());
    let told = peer.events();
    assert!(
        told.iter().all(|event| event.contains("DroppedForNewer")),
        "{told:?}"
    );
}

#[test]
fn only_qos_0_is_dropped_where_the_policy_says_so() {
    let mut peer = peer(WhenFull::DropQoS0, Fixed::<3, 256>::new());
    offer(&mut peer, QoS::AtLeastOnce, "one").unwrap();
    offer(&mut peer, QoS::AtMostOnce, "zero").unwrap();
    offer(&mut peer, QoS::ExactlyOnce, "two").unwrap();
    offer(&mut peer, QoS::AtLeastOnce, "new").unwrap();
    assert_eq!(peer.events(), dropped([2]));
    assert_eq!(offer(&mut peer, QoS::AtMostOnce, "late"), Err(Refused::Slots));
    assert!(peer.events().is_empty());
    peer.connect(true, false);
    assert_eq!(
        peer.sent(),
        ["PUBLISH #1 one", "PUBLISH #2 two", "PUBLISH #3 new"]
    );
}

#[test]
fn if_dropping_all_that_may_go_is_not_enough_nothing_is_dropped() {
    for when_full in [WhenFull::Refuse, WhenFull::DropOldest, WhenFull::DropQoS0] {
        let mut peer = peer(when_full, Fixed::<4, 256>::new());
        peer.connect(true, false);
        offer(&mut peer, QoS::AtLeastOnce, &"s".repeat(80)).unwrap();
        assert_eq!(peer.sent().len(), 1);
        offer(&mut peer, QoS::AtMostOnce, &"q".repeat(40)).unwrap();
        let before = peer.client.outbox();
        assert_eq!(
            offer(&mut peer, QoS::AtMostOnce, &"n".repeat(90)),
            Err(Refused::Bytes),
            "{when_full:?}"
        );
        assert_eq!(
            offer(&mut peer, QoS::AtMostOnce, &"n".repeat(190)),
            Err(Refused::TooLarge)
        );
        assert_eq!(peer.client.outbox(), before);
        assert!(peer.events().is_empty());
        assert_eq!(peer.sent().len(), 1);
    }
}

#[test]
fn what_has_left_or_is_about_to_is_never_dropped() {
    // Chosen, of which nothing may have been written yet; half written; written and not acknowledged.
    for written in [0, 1, usize::MAX] {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut peer = peer(WhenFull::DropOldest, Fixed::<2, 256>::new());
            peer.connect(true, false);
            let kept = offer(&mut peer, qos, "kept").unwrap();
            assert!(peer.client.poll_transmit().is_some());
            peer.sent_bytes(written);
            let gone = offer(&mut peer, qos, "gone").unwrap();
            offer(&mut peer, qos, "new").unwrap();
            assert_eq!(peer.events(), dropped([gone]));
            if written == 0 {
                assert_eq!(peer.sent(), ["PUBLISH #1 kept", "PUBLISH #2 new"]);
            }
            let left: Vec<u32> = peer.client.outbox_messages().map(|m| m.token.get()).collect();
            assert_eq!(left, [kept, gone + 1]);
        }
    }
}

#[test]
fn with_nothing_to_be_kept_a_publish_needs_a_connection() {
    let mut peer = peer(WhenFull::KeepNothing, Heap::new());
    assert_eq!(offer(&mut peer, QoS::AtMostOnce, "x"), Err(Refused::NotConnected));
    peer.client
        .connect(peer.now, &options(Version::V5, true))
        .unwrap();
    assert_eq!(offer(&mut peer, QoS::AtMostOnce, "x"), Err(Refused::NotConnected));
}

#[test]
fn with_nothing_to_be_kept_what_was_not_sent_ends_before_its_connection_however_that_ends() {
    let ends: [fn(&mut Peer<Fixed<4, 512>>); 4] = [
        |peer| peer.cut(),
        |peer| peer.send_bytes(&[0xE0, 0]),
        |peer| peer.send_bytes(&[0xFF, 0]),
        |peer| {
            let plain = mqtt_proto::packet::Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
            peer.client.disconnect(peer.now, &plain).unwrap();
            assert_eq!(peer.sent(), ["DISCONNECT 0x00"]);
        },
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let mut peer = peer(WhenFull::KeepNothing, Fixed::new());
        peer.connect(false, false);
        let sent = offer(&mut peer, QoS::AtLeastOnce, "sent").unwrap();
        assert_eq!(peer.sent(), ["PUBLISH #1 sent"]);
        let zero = offer(&mut peer, QoS::AtMostOnce, "zero").unwrap();
        let one = offer(&mut peer, QoS::AtLeastOnce, "one").unwrap();
        let two = offer(&mut peer, QoS::ExactlyOnce, "two").unwrap();
        if n < 3 {
            peer.sent_bytes(3); // Half a message of QoS 0 is none.
        }
        end(&mut peer);
        let mut told = peer.events();
        let closed = told.pop().unwrap();
        assert!(closed.starts_with("closed"), "{closed}");
        let with_link = [zero, one, two].map(|token| format!("aborted {token} DroppedWithLink"));
        assert_eq!(told, with_link, "{closed}");
        peer.cut();
        peer.events();
        peer.connect(false, true);
        assert_eq!(peer.sent(), ["PUBLISH #1 dup sent"], "{closed}");
        peer.puback(1);
        assert_eq!(peer.events(), [format!("acknowledged {sent}")]);
        assert!(peer.client.is_idle());
    }
}

/// CONNECT has a reserve; one that is longer may take what the policy gives away.
#[test]
fn a_connect_longer_than_the_reserve_takes_room_from_what_may_be_dropped() {
    let long = "c".repeat(100);
    let connect = Connect {
        client_id: &long,
        ..options(Version::V5, true)
    };
    for (when_full, fits) in [(WhenFull::Refuse, false), (WhenFull::DropOldest, true)] {
        let mut peer = peer(when_full, Fixed::<4, 256>::new());
        for _ in 0..2 {
            offer(&mut peer, QoS::AtLeastOnce, &"x".repeat(70)).unwrap();
        }
        let connected = peer.client.connect(peer.now, &connect);
        if fits {
            assert_eq!(connected, Ok(()));
            assert_eq!(peer.events(), dropped([1]));
            assert!(peer.sent()[0].starts_with("CONNECT"));
        } else {
            assert_eq!(connected, Err(Refused::Bytes));
            assert!(peer.events().is_empty());
            assert_eq!(peer.client.outbox().queued, 2);
        }
    }
}

/// What was chosen and is then dropped gives its place in the window back.
#[test]
fn a_message_dropped_on_the_point_of_leaving_leaves_the_window_as_it_was() {
    let mut peer = peer(WhenFull::Refuse, Heap::new());
    peer.client
        .connect(peer.now, &options(Version::V5, true))
        .unwrap();
    peer.sent();
    peer.send_bytes(&[0x20, 6, 0, 0, 3, 0x21, 0, 1]);
    peer.events();
    let list = [Property::MessageExpiryInterval(1)];
    for _ in 0..3 {
        let mut message = Publish::new(topic("t"), QoS::AtLeastOnce);
        message.properties = Properties::new(&list);
        let token = peer.client.publish(peer.now, &message, "x").unwrap().get();
        assert!(peer.client.poll_transmit().is_some(), "chosen, and charged");
        peer.wait(core::time::Duration::from_secs(1));
        assert!(peer.events().is_empty(), "it may be on its way");
        assert!(peer.sent().is_empty());
        assert_eq!(peer.events(), [format!("aborted {token} Expired")]);
    }
    offer(&mut peer, QoS::AtLeastOnce, "next").unwrap();
    assert_eq!(peer.sent().len(), 1);
}
