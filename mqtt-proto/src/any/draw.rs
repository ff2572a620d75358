//! Which fields a packet may have in a version, from a sender.

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};

use super::{
    draft::{Draft, DraftWill, Fields, types},
    property::draw_list,
    source::Source,
};
use crate::{
    PacketId, PacketType, PropertyId, QoS, ReasonCode, Sender, Version,
    packet::{RetainHandling, SubscriptionOptions},
    property::PropertyPlace,
};

pub(super) fn packet(
    version: Version,
    from: Sender,
    packet_type: Option<PacketType>,
    source: &mut Source<'_>,
) -> Draft {
    let packet_type = packet_type.filter(|packet| packet.is_sent_by(from, version));
    let packet_type = packet_type.unwrap_or_else(|| source.one(PacketType::Publish, &types(version, from)));
    let place = PropertyPlace::Packet(packet_type);
    let v5 = version.has_properties();
    let properties = if v5 {
        draw_list(place, from, source)
    } else {
        Vec::new()
    };
    let fields = match packet_type {
        PacketType::Connect => connect(version, from, source),
        PacketType::ConnAck => connack(version, source),
        PacketType::Publish => {
            let has_alias = properties
                .iter()
                .any(|p| matches!(p.borrow().id(), PropertyId::TopicAlias));
            publish(has_alias, source)
        }
        PacketType::PubAck => Fields::PubAck(id(source), code(packet_type, version, from, source)),
        PacketType::PubRec => Fields::PubRec(id(source), code(packet_type, version, from, source)),
        PacketType::PubRel => Fields::PubRel(id(source), code(packet_type, version, from, source)),
        PacketType::PubComp => Fields::PubComp(id(source), code(packet_type, version, from, source)),
        PacketType::Subscribe => Fields::Subscribe(
            id(source),
            several(source).map(|()| subscription(version, source)).collect(),
        ),
        PacketType::SubAck => Fields::SubAck(id(source), codes(packet_type, version, from, source)),
        PacketType::Unsubscribe => Fields::Unsubscribe(
            id(source),
            several(source).map(|()| topic_filter(version, source)).collect(),
        ),
        PacketType::UnsubAck => {
            let id = id(source);
            Fields::UnsubAck(
                id,
                if v5 {
                    codes(packet_type, version, from, source)
                } else {
                    Vec::new()
                },
            )
        }
        PacketType::PingReq => Fields::PingReq,
        PacketType::PingResp => Fields::PingResp,
        PacketType::Disconnect => Fields::Disconnect(code(packet_type, version, from, source)),
        PacketType::Auth => Fields::Auth(code(packet_type, version, from, source)),
    };
    Draft { properties, fields }
}

fn connect(version: Version, from: Sender, source: &mut Source<'_>) -> Fields {
    let v31 = matches!(version, Version::V31);
    let mut client_id = source.text();
    if v31 {
        client_id = client_id.chars().take(23).collect();
        if client_id.is_empty() {
            client_id.push('c');
        }
    }
    let will = source.bit().then(|| DraftWill {
        topic: topic_name(source),
        payload: if v31 {
            source.text().into_bytes()
        } else {
            source.binary()
        },
        qos: qos(source),
        retain: source.bit(),
        properties: if version.has_properties() {
            draw_list(PropertyPlace::Will, from, source)
        } else {
            Vec::new()
        },
    });
    let user_name = source.bit().then(|| source.text());
    // A password goes with a user name in 3.x, and is a text in 3.1.
    let password = (source.bit() && (version.has_properties() || user_name.is_some())).then(|| {
        if v31 {
            source.text().into_bytes()
        } else {
            source.binary()
        }
    });
    Fields::Connect {
        // 3.1.1/MQTT-3.1.3-8
        clean_start: source.bit() || client_id.is_empty() && !version.has_properties(),
        keep_alive: source.u16(),
        client_id,
        will,
        user_name,
        password,
    }
}

fn connack(version: Version, source: &mut Source<'_>) -> Fields {
    let code = ReasonCode(if version.has_properties() {
        code(PacketType::ConnAck, version, Sender::Server, source).0
    } else {
        ReasonCode::from_return_code(source.below(6))
            .unwrap_or(ReasonCode::SUCCESS)
            .0
    });
    let session_present = source.bit() && code == ReasonCode::SUCCESS && !matches!(version, Version::V31);
    Fields::ConnAck {
        session_present,
        code,
    }
}

fn publish(has_alias: bool, source: &mut Source<'_>) -> Fields {
    let qos = qos(source);
    Fields::Publish {
        dup: source.bit() && qos != QoS::AtMostOnce,
        qos,
        retain: source.bit(),
        topic: if has_alias && source.bit() {
            String::new()
        } else {
            topic_name(source)
        },
        packet_id: (qos != QoS::AtMostOnce).then(|| id(source)),
        payload: source.binary(),
    }
}

fn subscription(version: Version, source: &mut Source<'_>) -> (String, SubscriptionOptions) {
    let filter = topic_filter(version, source);
    let mut options = SubscriptionOptions::new(qos(source));
    if version.has_properties() {
        // 5/MQTT-3.8.3-4
        options.no_local = source.bit() && !filter.starts_with("$share/");
        options.retain_as_published = source.bit();
        options.retain_handling = source.one(
            RetainHandling::Send,
            &[RetainHandling::SendIfNew, RetainHandling::DoNotSend],
        );
    }
    (filter, options)
}

fn several(source: &mut Source<'_>) -> impl Iterator<Item = ()> + use<> {
    let more = source.below(4);
    (0..=more).map(|_| ())
}

fn id(source: &mut Source<'_>) -> PacketId {
    PacketId::new(source.u16()).unwrap_or(PacketId::MIN)
}

fn qos(source: &mut Source<'_>) -> QoS {
    source.one(QoS::AtMostOnce, &[QoS::AtLeastOnce, QoS::ExactlyOnce])
}

/// A code that this sender may put into this packet.
fn code(packet: PacketType, version: Version, from: Sender, source: &mut Source<'_>) -> ReasonCode {
    let allowed = |code: &ReasonCode| match (version, packet) {
        (Version::V311, PacketType::SubAck) => matches!(code.0, 0..=2 | 0x80),
        (Version::V31, PacketType::SubAck) => matches!(code.0, 0..=2),
        _ => code.is_allowed(packet, from) && (version.has_properties() || *code == ReasonCode::SUCCESS),
    };
    let table: Vec<ReasonCode> = (0..=0xFF).map(ReasonCode).filter(allowed).collect();
    source.one(table.first().copied().unwrap_or(ReasonCode::SUCCESS), &table)
}

fn codes(packet: PacketType, version: Version, from: Sender, source: &mut Source<'_>) -> Vec<u8> {
    several(source)
        .map(|()| code(packet, version, from, source).0)
        .collect()
}

const LEVELS: [&str; 8] = ["", "b", "$SYS", "é", " ", "\u{feff}", "$share", "\u{1}"];

fn levels(more: &[&str], source: &mut Source<'_>) -> String {
    let mut path = source.one("a", &LEVELS).to_owned();
    for _ in 0..source.below(4) {
        path.push('/');
        path.push_str(source.one("a", &LEVELS));
    }
    for level in more {
        path.push('/');
        path.push_str(level);
    }
    if path.is_empty() { "a".to_owned() } else { path }
}

/// A topic name, seldom one as long as can be.
pub(super) fn topic_name(source: &mut Source<'_>) -> String {
    if source.byte() == 255 {
        return core::iter::repeat_n('t', usize::from(u16::MAX)).collect();
    }
    levels(&[], source)
}

fn topic_filter(version: Version, source: &mut Source<'_>) -> String {
    let filter = match source.below(6) {
        1 => "#".to_owned(),
        2 => "+".to_owned(),
        3 => levels(&["+"], source),
        4 => levels(&["+", "c", "#"], source),
        5 => {
            let mut shared = source.one("$share/g/", &["$share/é/", "$share/ /"]).to_owned();
            shared.push_str(&levels(&["#"], source));
            return shared;
        }
        _ => levels(&[], source),
    };
    // In 5.0 what begins with "$share/" has a group and a filter.
    if version.has_properties() && filter.starts_with("$share/") {
        "a".to_owned()
    } else {
        filter
    }
}
