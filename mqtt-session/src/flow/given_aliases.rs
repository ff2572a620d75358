//! Topics that we call by number to the peer, of our own accord (5.0, 3.3.2.3.4).
//!
//! A topic is given an alias when it is sent for the second time within a while: what is sent once costs nothing. When all
//! are given, the one goes that was not used for a round of the clock's hand.

use alloc::{boxed::Box, vec::Vec};

/// How a topic is to be sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a topic, an alias, or both")]
pub enum Naming {
    /// By itself.
    Topic,
    /// With an alias that stands for it from now on: [`GivenAliases::bind`] says which.
    Bind,
    /// By its alias alone.
    Alias(u16),
}

/// The aliases that were given on one connection, at most as many as the peer's Topic Alias Maximum (`5/MQTT-3.1.2-26`).
///
/// Each costs its topic while it is given, and no memory is taken before.
#[derive(Clone, Debug)]
pub struct GivenAliases {
    maximum: u16,
    /// By alias, less one.
    places: Vec<Place>,
    /// Places in the order of their topics.
    order: Vec<u16>,
    /// The place that is looked at next when one has to go.
    hand: u16,
    /// Hashes of topics without alias that were sent last, in a ring. Topics that share one are taken for each other, and
    /// one of them gets an alias too early.
    seen: [u32; SEEN],
    next_seen: u8,
}

#[derive(Clone, Debug)]
struct Place {
    topic: Box<str>,
    /// By alias alone, since the hand was here.
    used: bool,
}

const SEEN: usize = 32;

/// From this length on a PUBLISH with an alias alone is smaller, whatever stands beside it: the alias takes three bytes,
/// and may lengthen the Property Length by one.
const SHORTEST: usize = 5;

impl GivenAliases {
    /// None given yet. `maximum` is the lower of the peer's Topic Alias Maximum and what we want to remember; `None` if
    /// that is 0 (`5/MQTT-3.1.2-27`).
    pub fn up_to(maximum: u16) -> Option<Self> {
        (maximum > 0).then(|| Self {
            maximum,
            places: Vec::new(),
            order: Vec::new(),
            hand: 0,
            seen: [0; SEEN],
            next_seen: 0,
        })
    }

    /// How a message of this topic is to be sent, which counts as a use of it.
    pub fn name(&mut self, topic: &str) -> Naming {
        if let Ok(at) = self.find(topic) {
            let place = self.order.get(at).copied();
            if let Some(place) = place.and_then(|place| self.places.get_mut(usize::from(place))) {
                place.used = true;
            }
            return place.map_or(Naming::Topic, |place| Naming::Alias(place.saturating_add(1)));
        }
        if topic.len() < SHORTEST {
            return Naming::Topic;
        }
        let hash = hash(topic);
        if self.seen.contains(&hash) {
            return Naming::Bind;
        }
        let next = usize::from(self.next_seen) % SEEN;
        if let Some(seen) = self.seen.get_mut(next) {
            *seen = hash;
        }
        self.next_seen = self.next_seen.wrapping_add(1);
        Naming::Topic
    }

    /// Gives this topic, which has none, an alias: the message that says both must be sent next.
    pub fn bind(&mut self, topic: &str) -> u16 {
        let place = if self.places.len() < usize::from(self.maximum) {
            self.places.push(Place {
                topic: topic.into(),
                used: false,
            });
            u16::try_from(self.places.len().saturating_sub(1)).unwrap_or(u16::MAX)
        } else {
            let place = self.give_up_one();
            let old = self.order.iter().position(|&other| other == place);
            if let Some(old) = old {
                self.order.remove(old);
            }
            if let Some(kept) = self.places.get_mut(usize::from(place)) {
                *kept = Place {
                    topic: topic.into(),
                    used: false,
                };
            }
            place
        };
        let at = self.find(topic).unwrap_or_else(|at| at);
        self.order.insert(at, place);
        place.saturating_add(1)
    }

    /// The first place from the hand on that was not used since the hand was there.
    fn give_up_one(&mut self) -> u16 {
        loop {
            let place = self.hand;
            self.hand = self.hand.wrapping_add(1);
            if usize::from(self.hand) >= self.places.len() {
                self.hand = 0;
            }
            match self.places.get_mut(usize::from(place)) {
                Some(kept) if kept.used => kept.used = false,
                Some(_) | None => return place,
            }
        }
    }

    /// Where its place stands in the order, or would.
    fn find(&self, topic: &str) -> Result<usize, usize> {
        self.order.binary_search_by(|&place| {
            self.places
                .get(usize::from(place))
                .map_or("", |place| &place.topic)
                .cmp(topic)
        })
    }
}

/// FNV-1a; never 0, which stands for nothing.
fn hash(topic: &str) -> u32 {
    let step = |hash: u32, &byte: &u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    topic.as_bytes().iter().fold(0x811c_9dc5, step).max(1)
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap, format, string::String};

    use super::*;

    /// Names a topic as a sender does; what a receiver would make of it.
    fn send(given: &mut GivenAliases, known: &mut BTreeMap<u16, String>, topic: &str) -> Naming {
        let naming = given.name(topic);
        match naming {
            Naming::Topic => {}
            Naming::Bind => {
                known.insert(given.bind(topic), topic.into());
            }
            Naming::Alias(alias) => assert_eq!(known.get(&alias).map(String::as_str), Some(topic)),
        }
        naming
    }

    #[test]
    fn a_topic_has_an_alias_from_its_second_message_on_and_a_short_one_never() {
        let (mut given, mut known) = (GivenAliases::up_to(2).unwrap(), BTreeMap::new());
        assert_eq!(send(&mut given, &mut known, "topic"), Naming::Topic);
        assert_eq!(send(&mut given, &mut known, "topic"), Naming::Bind);
        assert_eq!(send(&mut given, &mut known, "topic"), Naming::Alias(1));
        for _ in 0..3 {
            assert_eq!(send(&mut given, &mut known, "a/b"), Naming::Topic);
        }
        assert!(
            GivenAliases::up_to(0).is_none(),
            "5/MQTT-3.1.2-27: nothing to give"
        );
    }

    #[test]
    fn whatever_is_sent_the_receiver_knows_the_topic_and_no_alias_is_above_the_maximum() {
        for maximum in [1, 2, 3, 7, 16] {
            let (mut given, mut known) = (GivenAliases::up_to(maximum).unwrap(), BTreeMap::new());
            let (mut x, mut by_alias) = (1_u32, 0);
            for _ in 0..5_000 {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Some topics come often, others hardly ever.
                let n = (x >> 16) % 40;
                let topic = format!("topic/{}", if x & 1 == 0 { n % 4 } else { n });
                by_alias += u32::from(matches!(send(&mut given, &mut known, &topic), Naming::Alias(_)));
            }
            assert!(known.keys().all(|alias| (1..=maximum).contains(alias)));
            assert!(given.places.len() <= usize::from(maximum) && given.order.len() == given.places.len());
            assert!(by_alias > 0, "maximum {maximum}");
        }
    }

    #[test]
    fn the_topic_that_is_used_all_the_time_keeps_its_alias() {
        let (mut given, mut known) = (GivenAliases::up_to(2).unwrap(), BTreeMap::new());
        send(&mut given, &mut known, "often");
        send(&mut given, &mut known, "often");
        for n in 0..50 {
            let rare = format!("rare/{n}");
            send(&mut given, &mut known, &rare);
            send(&mut given, &mut known, &rare);
            let naming = send(&mut given, &mut known, "often");
            assert!(matches!(naming, Naming::Alias(_)), "after {rare}: {naming:?}");
        }
    }
}
