//! What happens to clients of one server, whatever their programs do; and what is expected of them in any weather.

use core::time::Duration;

use mqtt_proto::{
    Properties, Property, QoS, TopicFilter, Version,
    packet::{Connect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    storage::Storage,
    testing::{Net, Way},
};
use proptest::prelude::*;

/// Where everything is published.
pub(crate) const TOPIC: &str = "g/t";

/// Something that happens to a link, or to everybody.
#[derive(Clone, Debug)]
pub(crate) enum Weather {
    /// The link is lost after so many more bytes of one direction.
    CutAfter { who: usize, way: Way, bytes: usize },
    /// The link is lost.
    Cut { who: usize },
    /// Bytes arrive in small pieces from now on.
    Narrow {
        who: usize,
        way: Way,
        piece: usize,
        capacity: usize,
    },
    /// Time passes.
    Wait { millis: u64 },
}

impl Weather {
    pub(crate) fn any(clients: usize) -> impl Strategy<Value = Self> {
        let who = 0..clients;
        let way = prop_oneof![Just(Way::Up), Just(Way::Down)];
        prop_oneof![
            3 => (who.clone(), way.clone(), 0usize..120)
                .prop_map(|(who, way, bytes)| Self::CutAfter { who, way, bytes }),
            1 => who.clone().prop_map(|who| Self::Cut { who }),
            1 => (who, way, 1usize..20, 40usize..200)
                .prop_map(|(who, way, piece, capacity)| Self::Narrow { who, way, piece, capacity }),
            1 => (1u64..40_000).prop_map(|millis| Self::Wait { millis }),
        ]
    }

    pub(crate) fn apply<S: Storage>(&self, net: &mut Net<S>) {
        match *self {
            Self::CutAfter { who, way, bytes } => net.faults(who, way).cut_after = Some(bytes),
            Self::Cut { who } => net.cut(who),
            Self::Narrow {
                who,
                way,
                piece,
                capacity,
            } => {
                let faults = net.faults(who, way);
                faults.piece = piece;
                faults.capacity = capacity;
            }
            Self::Wait { millis } => net.advance(Duration::from_millis(millis)),
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn clear_up<S: Storage>(net: &mut Net<S>, clients: usize) {
        for who in 0..clients {
            for way in [Way::Up, Way::Down] {
                *net.faults(who, way) = Default::default();
            }
        }
    }
}

/// Connects one of them, with a session that is kept.
pub(crate) fn connect<S: Storage>(net: &mut Net<S>, who: usize, version: Version, clean_start: bool) {
    const KEPT: &[Property<'_>] = &[Property::SessionExpiryInterval(u32::MAX)];
    let options = Connect {
        clean_start,
        keep_alive: 20,
        properties: if version == Version::V5 {
            Properties::new(KEPT)
        } else {
            Properties::EMPTY
        },
        ..Connect::new(version, ["one", "two", "three", "four"][who])
    };
    net.connect(who, &options).unwrap();
}

/// To everything that is published.
pub(crate) fn everything() -> Subscription<'static> {
    Subscription {
        filter: TopicFilter::new(TOPIC).unwrap(),
        options: SubscriptionOptions::new(QoS::ExactlyOnce),
    }
}

/// The messages of each publisher and QoS, by number, came to `who` in the order in which they were published.
pub(crate) fn assert_in_order(told: &[(usize, QoS, u32)], who: usize) {
    for by in 0..4 {
        for qos in QoS::ALL {
            let of = told.iter().filter(|m| (m.0, m.1) == (by, qos));
            let seen: Vec<u32> = of.map(|m| m.2).collect();
            assert!(seen.is_sorted(), "{by} to {who}, {qos:?}: {seen:?}");
        }
    }
}
