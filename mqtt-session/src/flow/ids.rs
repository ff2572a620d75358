//! Packet identifiers that are free.

use mqtt_proto::PacketId;

/// The first id after `last` that is not in use; `None` if all 65,535 are.
///
/// One row of ids serves PUBLISH, SUBSCRIBE and UNSUBSCRIBE (`5/MQTT-2.2.1-3`, `5/MQTT-2.2.1-4`, `3.1.1/MQTT-2.3.1-2`,
/// `3.1/2.4-3`).
/// Going on from the last one keeps an id that was just freed out of use for as long as possible, so that a late answer
/// meets nobody.
pub fn next_free_id(last: Option<PacketId>, in_use: impl Fn(PacketId) -> bool) -> Option<PacketId> {
    let first = last.map_or(PacketId::MIN, PacketId::next);
    let mut id = first;
    loop {
        if !in_use(id) {
            return Some(id);
        }
        id = id.next();
        if id == first {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u16) -> PacketId {
        PacketId::new(n).unwrap()
    }

    #[test]
    fn ids_go_round_and_pass_over_those_in_use() {
        assert_eq!(next_free_id(None, |_| false), Some(id(1)));
        assert_eq!(next_free_id(Some(id(65_535)), |i| i.get() < 3), Some(id(3)));
        assert_eq!(
            next_free_id(Some(id(9)), |i| i.get() != 9),
            Some(id(9)),
            "the last one, if it is the only free one"
        );
        assert_eq!(next_free_id(Some(id(9)), |_| true), None);
    }
}
