//! What is left of a client after each kind of end: the rows of `src/server/broker/ends.md`, one after the other.

use core::time::Duration;

use mqtt_proto::{
    Packet, Properties, Property, ReasonCode, Version,
    packet::{Connect, Disconnect, Will},
};
use mqtt_session::server::ServerEvent;

use crate::net::*;

const TABLE: &str = include_str!("../../src/server/broker/ends.md");
/// Will Delay Interval of the delayed will, in seconds.
const DELAY: u32 = 10;
const FOR_EVER: u32 = u32::MAX;

struct Row<'t> {
    end: &'t str,
    expiry: u32,
    versions: Vec<Version>,
    session: &'t str,
    /// Subscriptions, queue, QoS 0 in it, QoS 1 out, QoS 2 out, QoS 2 in.
    kept: [bool; 6],
    will: &'t str,
    delayed_will: &'t str,
    retained: bool,
}

fn rows() -> Vec<Row<'static>> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [
            end,
            expiry,
            versions,
            session,
            kept @ ..,
            will,
            delayed_will,
            retained,
        ] = &cells[..]
        else {
            panic!("{line}")
        };
        let kept: Vec<bool> = kept.iter().map(|cell| yes(cell)).collect();
        Row {
            end,
            expiry: seconds(expiry),
            versions: versions.split(' ').map(version).collect(),
            session,
            kept: kept.try_into().expect("six columns"),
            will,
            delayed_will,
            retained: yes(retained),
        }
    })
    .collect()
}

fn yes(cell: &str) -> bool {
    match cell {
        "yes" => true,
        "no" => false,
        _ => panic!("`{cell}` is neither yes nor no"),
    }
}

fn version(cell: &str) -> Version {
    match cell {
        "3.1" => V31,
        "3.1.1" => V311,
        "5" => V5,
        _ => panic!("`{cell}` is no version"),
    }
}

fn seconds(cell: &str) -> u32 {
    match cell {
        "0" => 0,
        "for ever" => FOR_EVER,
        _ => cell.strip_suffix(" s").unwrap().parse().unwrap(),
    }
}

/// A client `d` with one of everything, and a watcher of its will and of what it publishes.
struct Scene {
    net: Net,
    watcher: End,
    d: End,
}

fn connecting<R>(
    version: Version,
    client_id: &str,
    clean_start: bool,
    expiry: u32,
    with: impl FnOnce(Connect<'_>) -> R,
) -> R {
    let list = [Property::SessionExpiryInterval(expiry)];
    let properties = if version == V5 {
        Properties::new(&list)
    } else {
        Properties::EMPTY
    };
    // 3.x has Clean Session: a session of its connection alone.
    let clean_start = clean_start || (version != V5 && expiry == 0);
    with(Connect {
        clean_start,
        properties,
        ..connect(version, client_id)
    })
}

impl Scene {
    fn new(row: &Row<'_>, version: Version, delay: u32) -> Self {
        // Three under way fill the window, so that a fourth waits.
        let mut net = Net::with(|config| config.offer_mut(0).grant.limits.max_in_flight = 3);
        let watcher = connecting(V5, "watcher", true, FOR_EVER, |connect| {
            net.client_with(connect).0
        });
        net.subscribe(watcher, "w", Q1);
        net.subscribe(watcher, "in", Q1);
        let delay = [Property::WillDelayInterval(delay)];
        let properties = if version == V5 {
            Properties::new(&delay)
        } else {
            Properties::EMPTY
        };
        let will = Will {
            properties,
            ..will("w", b"gone")
        };
        let keep_alive = if row.end == "keep-alive time-out" { 60 } else { 0 };
        // A session that is to be kept begins here, whatever its clean start: there was none.
        let d = connecting(version, "d", false, row.expiry, |connect| {
            net.client_with(Connect {
                will: Some(will),
                keep_alive,
                ..connect
            })
            .0
        });
        net.subscribe(d, "s", Q2);
        let p = net.client(V5, "p");
        for (qos, n) in [(Q1, 1), (Q2, 2), (Q2, 3), (Q1, 4)] {
            net.publish(p, message("s", qos, n, &format!("m{n}")));
        }
        let said = net.recv(d);
        assert_eq!(said.len(), 3, "the fourth waits: {said:?}");
        net.pubrec(d, 3);
        assert_eq!(net.recv(d), ["PUBREL id=3"]);
        net.publish(d, message("in", Q2, 7, "in"));
        assert_eq!(net.recv(d), ["PUBREC id=7"]);
        net.retain(d, "kept", "r");
        // Not taken by its connection.
        net.publish(p, message("s", Q0, 0, "m0"));
        let mut scene = Self { net, watcher, d };
        assert_eq!(scene.watched(), ["in"]);
        scene
    }

    /// What reached the watcher: payloads.
    fn watched(&mut self) -> Vec<&'static str> {
        let net = &mut self.net;
        let mut said = net.recv(self.watcher);
        if said.last().is_some_and(|last| last == "close") {
            net.cut(self.watcher);
            self.watcher = connecting(V5, "watcher", false, FOR_EVER, |connect| {
                net.client_with(connect).0
            });
            said.extend(net.recv(self.watcher));
        }
        let mut payloads = Vec::new();
        for packet in said.iter().filter(|packet| packet.starts_with("PUBLISH")) {
            net.puback(self.watcher, number(packet, " id="));
            payloads.push(if packet.contains("payload=\"gone\"") {
                "will"
            } else {
                "in"
            });
        }
        payloads
    }

    /// Ends the connection of `d`; gives the one that took its place, if one did.
    fn end(&mut self, row: &Row<'_>, by: Version) -> Option<End> {
        let Self { net, d, .. } = self;
        let d = *d;
        match row.end {
            "the link is lost" => net.cut(d),
            "keep-alive time-out" => net.pass_secs(90),
            "violation by the client" => net.raw(d, &[0x00, 0x00]),
            "kicked by the server" => {
                net.server
                    .disconnect(net.now, d.id, ReasonCode::ADMINISTRATIVE_ACTION);
            }
            "server shutdown" => net.server.shutdown(net.now),
            "taken over" | "taken over with clean start" => {
                let clean = row.end != "taken over";
                return Some(connecting(by, "d", clean, FOR_EVER, |connect| {
                    net.client_with(connect).0
                }));
            }
            "lost, and back with clean start" => {
                net.cut(d);
                // What is published by the loss alone is none of the coming back.
                net.pass_secs(1);
                return None;
            }
            end => {
                let (code, expiry) = end.split_once(", expiry now ").unwrap_or((end, ""));
                let code = code.strip_prefix("DISCONNECT 0x").expect("a kind of end");
                let code = ReasonCode(u8::from_str_radix(code, 16).unwrap());
                let list: Vec<Property<'_>> = Some(expiry)
                    .filter(|expiry| !expiry.is_empty())
                    .map(|expiry| Property::SessionExpiryInterval(seconds(expiry)))
                    .into_iter()
                    .collect();
                net.send(
                    d,
                    Packet::Disconnect(Disconnect {
                        properties: Properties::new(&list),
                        ..Disconnect::new(code)
                    }),
                );
            }
        }
        assert!(
            row.end == "the link is lost" || net.recv(d).last().is_some_and(|last| last == "close"),
            "the connection is over"
        );
        net.cut(d);
        None
    }

    fn come_back(&mut self, by: Version, clean_start: bool) -> End {
        let net = &mut self.net;
        // A session of 3.x that is not to be discarded is one that is kept.
        connecting(by, "d", clean_start, FOR_EVER, |connect| {
            net.client_with(connect).0
        })
    }

    /// When the will is published, if nobody comes back.
    fn will(&mut self, row: &Row<'_>) -> &'static str {
        if self.watched() == ["will"] {
            return "at once";
        }
        if row.end == "lost, and back with clean start" {
            self.come_back(V5, true);
            return self.published("with the session");
        }
        let begin = self.net.now;
        let at = |scene: &mut Self, seconds: u32, short| {
            let at = begin + Duration::from_secs(seconds.into()) - Duration::from_micros(short);
            scene.net.pass(at.saturating_duration_since(scene.net.now));
            scene.watched().len()
        };
        for (seconds, name) in [(5, "with the session"), (DELAY, "after its delay")] {
            assert_eq!(at(self, seconds, 1), 0, "not before {seconds} s");
            if at(self, seconds, 0) > 0 {
                return name;
            }
        }
        assert_eq!(at(self, 1_000_000, 0), 0, "at an odd time");
        "never"
    }

    fn published(&mut self, name: &'static str) -> &'static str {
        if self.watched() == ["will"] { name } else { "never" }
    }

    /// Whether the client found its session, as the server told its owner.
    fn session_present(&mut self) -> bool {
        let events = self.net.events();
        let mut found = None;
        for event in &events {
            if let ServerEvent::Connected {
                client_id,
                session_present,
                ..
            } = event
            {
                if &**client_id == "d" {
                    found = Some(*session_present);
                }
            }
        }
        found.expect("it came")
    }

    /// Subscriptions, queue, QoS 0 in it, QoS 1 out, QoS 2 out, QoS 2 in.
    fn kept(&mut self, d: End) -> [bool; 6] {
        let net = &mut self.net;
        let first = net.recv(d);
        let has = |said: &[String], text: &str| said.iter().any(|packet| packet == text);
        let qos_1 = has(&first, r#"PUBLISH topic="s" qos=1 dup=1 id=1 payload="m1""#);
        let publish = has(&first, r#"PUBLISH topic="s" qos=2 dup=1 id=2 payload="m2""#);
        let pubrel = has(&first, "PUBREL id=3");
        assert_eq!(publish, pubrel, "both halves of QoS 2: {first:?}");
        // 5/MQTT-4.6.0-1, 3.1.1/MQTT-4.6.0-1: in the order in which they were sent at first.
        let place = |text: &str| first.iter().position(|packet| packet.contains(text));
        let order = [place(r#""m1""#), place(r#""m2""#), place("PUBREL")];
        assert!(order.is_sorted(), "{first:?}");
        let payload = |said: &[String], payload| said.iter().any(|packet| packet.contains(payload));
        let qos_0 = payload(&first, r#""m0""#);
        assert_eq!(
            first.len(),
            usize::from(qos_1) + 2 * usize::from(publish) + usize::from(qos_0),
            "nothing else: {first:?}"
        );
        // Now there is room for what waited.
        let mut second = Vec::new();
        if pubrel {
            net.puback(d, 1);
            net.pubrec(d, 2);
            net.pubcomp(d, 2);
            net.pubcomp(d, 3);
            second = net.recv(d);
        }
        let queue = payload(&second, r#""m4""#);
        let p = net.client(V5, "p");
        net.say(p, "s", "new");
        let subscriptions = payload(&net.recv(d), r#""new""#);
        // The same message again: of a session that is kept it is known.
        let mut again = message("in", Q2, 7, "in");
        again.head.dup = true;
        net.publish(d, again);
        assert_eq!(net.recv(d), ["PUBREC id=7"]);
        let received = self.watched().iter().all(|what| *what != "in");
        [subscriptions, queue, qos_0, qos_1, publish, received]
    }

    fn retained(&mut self) -> bool {
        let late = self.net.client(V5, "late");
        let said = self.net.subscribe_with(late, "kept", Default::default(), None);
        said.iter().any(|packet| packet.contains(r#"payload="r""#))
    }
}

fn number(packet: &str, name: &str) -> u16 {
    let at = packet.find(name).unwrap() + name.len();
    let end = packet[at..].find(' ').map_or(packet.len(), |n| at + n);
    packet[at..end].parse().unwrap()
}

#[test]
fn the_table_of_ends_has_every_kind_of_end_with_a_session_that_lives_and_one_that_does_not() {
    let rows = rows();
    assert!(rows.len() > 30, "{}", rows.len());
    for end in [
        "DISCONNECT 0x00",
        "DISCONNECT 0x04",
        "the link is lost",
        "keep-alive time-out",
        "violation by the client",
        "kicked by the server",
        "server shutdown",
        "taken over",
        "taken over with clean start",
    ] {
        for expiry in [0, 100, FOR_EVER] {
            let count = rows
                .iter()
                .filter(|row| row.end == end && row.expiry == expiry)
                .count();
            assert_eq!(count, 1, "{end}, {expiry}");
        }
    }
}

#[test]
fn a_will_is_published_as_the_table_of_ends_says_5_mqtt_3_1_2_8_3_1_1_mqtt_3_1_2_8() {
    for row in rows() {
        for &version in &row.versions {
            for by in [V31, V311, V5] {
                let name = format!("{}, expiry {}, {version} by {by}", row.end, row.expiry);
                let mut scene = Scene::new(&row, version, 0);
                scene.end(&row, by);
                assert_eq!(scene.will(&row), row.will, "{name}: will");
                if version == V5 {
                    let mut scene = Scene::new(&row, version, DELAY);
                    scene.end(&row, by);
                    assert_eq!(scene.will(&row), row.delayed_will, "{name}: delayed will");
                }
                if !row.end.starts_with("taken over") {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_session_lives_and_keeps_what_the_table_of_ends_says_5_mqtt_4_1_0_1_and_2_3_1_1_mqtt_4_1_0_1() {
    for row in rows() {
        for &version in &row.versions {
            for by in [V31, V311, V5] {
                let name = format!("{}, expiry {}, {version} by {by}", row.end, row.expiry);
                let mut scene = Scene::new(&row, version, 0);
                let d = match (scene.end(&row, by), row.session) {
                    (Some(d), "goes on" | "no") => d,
                    (Some(_), other) => panic!("{name}: {other}"),
                    (None, "no") => scene.come_back(by, row.end.ends_with("clean start")),
                    (None, "for ever") => {
                        scene.net.pass_secs(10_000_000);
                        scene.come_back(by, false)
                    }
                    (None, lives) => {
                        let lives = Duration::from_secs(seconds(lives).into());
                        scene.net.pass(lives - Duration::from_micros(1));
                        scene.come_back(by, false)
                    }
                };
                assert_eq!(scene.session_present(), row.session != "no", "{name}: session");
                assert_eq!(scene.retained(), row.retained, "{name}: retained");
                assert_eq!(
                    scene.kept(d),
                    row.kept,
                    "{name}: subscriptions, queue, QoS 0, QoS 1 out, QoS 2 out, QoS 2 in"
                );
            }
        }
    }
}

#[test]
fn a_session_ends_with_its_expiry_interval_and_all_that_it_kept_5_mqtt_4_1_0_2() {
    let mut count = 0;
    for row in rows() {
        let Some(lives) = row.session.strip_suffix(" s") else {
            continue;
        };
        let mut scene = Scene::new(&row, V5, 0);
        scene.end(&row, V5);
        scene.net.pass_secs(lives.parse().unwrap());
        let d = scene.come_back(V5, false);
        let name = format!("{}, expiry {}", row.end, row.expiry);
        assert!(!scene.session_present(), "{name}");
        assert!(scene.retained(), "{name}");
        assert_eq!(scene.kept(d), [false; 6], "{name}");
        count += 1;
    }
    assert!(count >= 10, "{count}");
}
