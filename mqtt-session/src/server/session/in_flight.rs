//! Messages of QoS 1 and 2 on their way to one client, in the order of their first transmission.

use alloc::{boxed::Box, collections::VecDeque};

use mqtt_proto::{PacketId, QoS};

use super::Backlog;
use crate::{
    flow::{Outgoing, Resend, Window, next_free_id},
    server::{
        Delivery, Reply,
        journal::Log,
        message::Message,
        route::{GroupFilter, SubscriptionIds},
    },
};

#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) id: PacketId,
    pub(crate) stage: Outgoing,
    /// Until PUBREC.
    pub(crate) message: Option<Message>,
    pub(crate) ids: SubscriptionIds,
    pub(crate) group: Option<GroupFilter>,
    pub(crate) retain: bool,
    /// Its place in the order, also in records.
    pub(crate) order: u64,
}

impl Exchange {
    /// What it keeps of a message.
    fn size(&self) -> usize {
        self.message.as_ref().map_or(0, Message::size)
    }
}

/// The exchanges of a session, in a box that an idle one does not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight {
    row: Option<Box<Row>>,
    last_id: Option<PacketId>,
}

/// The first `resent` exchanges have been sent on the present connection and are charged to its window; those behind are to be
/// sent again, in this order (`5/MQTT-4.4.0-1`, `5/MQTT-4.6.0-5`).
#[derive(Clone, Debug, Default)]
struct Row {
    exchanges: VecDeque<Exchange>,
    /// Of the messages that are kept.
    bytes: usize,
    resent: usize,
    lapped: bool,
}

static NO_EXCHANGES: VecDeque<Exchange> = VecDeque::new();

impl InFlight {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges().iter()
    }

    fn exchanges(&self) -> &VecDeque<Exchange> {
        self.row.as_ref().map_or(&NO_EXCHANGES, |row| &row.exchanges)
    }

    /// Another connection: all is to be sent again.
    pub(crate) fn reset(&mut self) {
        if let Some(row) = &mut self.row {
            row.resent = 0;
        }
    }

    /// Nothing has to be sent again before new messages may be.
    pub(crate) fn is_resent(&self) -> bool {
        self.row
            .as_ref()
            .is_none_or(|row| row.resent >= row.exchanges.len())
    }

    /// Another message may be under way beside those that are, which may have so many bytes; one always may.
    pub(crate) fn has_room(&self, max_bytes: usize) -> bool {
        self.row
            .as_ref()
            .is_none_or(|row| row.exchanges.is_empty() || row.bytes < max_bytes)
    }

    /// What is to be sent again next, unless the window holds it back.
    pub(crate) fn resend(&mut self, window: &mut Window) -> Option<Reply> {
        // What a shared subscription brought stays with its client, too (5/MQTT-4.8.2-4).
        let row = self.row.as_deref_mut()?;
        let exchange = row.exchanges.get(row.resent)?;
        let reply = match (exchange.stage.on_resume(), &exchange.message) {
            (Resend::Publish, Some(message)) => {
                if !window.has_room() {
                    return None;
                }
                Reply::Deliver(Delivery {
                    message: message.clone(),
                    ids: exchange.ids.clone(),
                    packet_id: Some(exchange.id),
                    qos: qos_of(exchange.stage),
                    retain: exchange.retain,
                    // 3.1/2.1-4, 3.1/4.2-1
                    dup: true,
                })
            }
            (Resend::PubRel, _) | (Resend::Publish, None) => {
                Reply::PubRel(exchange.id, mqtt_proto::ReasonCode::SUCCESS)
            }
        };
        window.take();
        row.resent += 1;
        Some(reply)
    }

    /// Begins an exchange: gives the delivery its packet id (`5/MQTT-2.2.1-4`). `None` if all ids are in use, or QoS 0.
    pub(crate) fn begin(
        &mut self,
        delivery: &mut Delivery,
        group: Option<GroupFilter>,
        window: &mut Window,
        backlog: &mut Backlog,
        log: &mut Log<'_>,
    ) -> Option<()> {
        let stage = Outgoing::sent(delivery.qos)?;
        // 5/MQTT-4.3.2-1, 5/MQTT-4.3.3-1, 3.1.1/MQTT-4.3.2-1, 3.1/2.4-3
        let id = next_free_id(self.last_id, |id| self.position(id).is_some())?;
        self.last_id = Some(id);
        delivery.packet_id = Some(id);
        window.take();
        let exchange = Exchange {
            id,
            stage,
            message: Some(delivery.message.clone()),
            ids: delivery.ids.clone(),
            group,
            retain: delivery.retain,
            order: self
                .exchanges()
                .back()
                .map_or(0, |last| last.order.wrapping_add(1)),
        };
        log.begun(exchange.order, exchange.message.as_ref());
        let row = self.append(exchange, backlog);
        row.resent = row.exchanges.len();
        Some(())
    }

    /// Puts back what was kept, one after the other as they were begun; all are to be sent again.
    pub(crate) fn restore(&mut self, exchange: Exchange, backlog: &mut Backlog) {
        self.last_id = Some(exchange.id);
        self.append(exchange, backlog);
    }

    fn append(&mut self, exchange: Exchange, backlog: &mut Backlog) -> &mut Row {
        let row = self.row.get_or_insert_default();
        if let (Some(first), Some(last)) = (row.exchanges.front(), row.exchanges.back()) {
            row.lapped |= distance(first.id, exchange.id) <= distance(first.id, last.id);
        }
        backlog.in_flight += 1;
        row.bytes = row.bytes.saturating_add(exchange.size());
        row.exchanges.push_back(exchange);
        row
    }

    /// The exchange with this place in the order.
    pub(crate) fn at(&self, order: u64) -> Option<&Exchange> {
        let exchanges = self.exchanges();
        let at = exchanges.binary_search_by_key(&order, |exchange| exchange.order);
        exchanges.get(at.ok()?)
    }

    fn position(&self, id: PacketId) -> Option<usize> {
        self.row.as_ref()?.position(id)
    }

    pub(crate) fn stage(&self, id: PacketId) -> Option<Outgoing> {
        let row = self.row.as_ref()?;
        row.position(id)
            .and_then(|at| row.exchanges.get(at))
            .map(|exchange| exchange.stage)
    }

    /// The message was received; only its id is needed now.
    pub(crate) fn release(&mut self, id: PacketId, log: &mut Log<'_>) {
        let Some(row) = self.row.as_deref_mut() else {
            return;
        };
        if let Some(exchange) = row.position(id).and_then(|at| row.exchanges.get_mut(at)) {
            exchange.stage = Outgoing::AwaitingPubComp;
            row.bytes = row.bytes.saturating_sub(exchange.size());
            let message = exchange.message.take();
            log.released(exchange.order, message.as_ref());
        }
    }

    /// The exchange has ended: its id and its place in the window are free.
    pub(crate) fn end(
        &mut self,
        id: PacketId,
        window: &mut Window,
        backlog: &mut Backlog,
        log: &mut Log<'_>,
    ) {
        let Some(row) = self.row.as_deref_mut() else {
            return;
        };
        let Some(at) = row.position(id) else { return };
        if at < row.resent {
            window.give_back();
            row.resent -= 1;
        }
        if let Some(exchange) = row.exchanges.remove(at) {
            row.bytes = row.bytes.saturating_sub(exchange.size());
            log.ended(exchange.order, exchange.message.as_ref());
        }
        backlog.in_flight = backlog.in_flight.saturating_sub(1);
        row.lapped &= !row.exchanges.is_empty();
    }

    /// The session ends, and with it all exchanges.
    pub(crate) fn forget(self, backlog: &mut Backlog) {
        backlog.in_flight = backlog.in_flight.saturating_sub(self.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.exchanges().len()
    }

    /// Gives memory back that is not needed now.
    pub(crate) fn shrink(&mut self) {
        if self.exchanges().is_empty() {
            self.row = None;
        }
    }
}

impl Row {
    /// Where the exchange with this id stands in the order. Ids are given in a ring, so the order is that of the distance
    /// to the first, unless that one is so old that the ring has been gone round.
    fn position(&self, id: PacketId) -> Option<usize> {
        let first = self.exchanges.front()?.id;
        if self.lapped {
            return self.exchanges.iter().position(|exchange| exchange.id == id);
        }
        self.exchanges
            .binary_search_by_key(&distance(first, id), |exchange| distance(first, exchange.id))
            .ok()
    }
}

/// How many steps `id` is behind `first` in the ring of 65,535 ids.
fn distance(first: PacketId, id: PacketId) -> u16 {
    if id >= first {
        id.get() - first.get()
    } else {
        u16::MAX - first.get() + id.get()
    }
}

fn qos_of(stage: Outgoing) -> QoS {
    if stage == Outgoing::AwaitingPubAck {
        QoS::AtLeastOnce
    } else {
        QoS::ExactlyOnce
    }
}

#[cfg(test)]
mod tests {
    use mqtt_proto::{Properties, TopicName, packet::PublishHead};

    use super::*;
    use crate::Instant;

    fn begin(in_flight: &mut InFlight) -> u16 {
        let head = PublishHead {
            dup: false,
            qos: QoS::ExactlyOnce,
            retain: false,
            topic: TopicName::new("t").unwrap(),
            packet_id: PacketId::new(1),
            properties: Properties::EMPTY,
        };
        let mut delivery = Delivery {
            message: Message::new(Instant::ZERO, &head, b"x"),
            ids: SubscriptionIds::default(),
            packet_id: None,
            qos: QoS::ExactlyOnce,
            retain: false,
            dup: false,
        };
        let (window, backlog) = (&mut Window::new(u16::MAX), &mut Backlog::default());
        in_flight
            .begin(&mut delivery, None, window, backlog, &mut Log::off())
            .unwrap();
        delivery.packet_id.unwrap().get()
    }

    fn end(in_flight: &mut InFlight, id: u16) {
        let (window, backlog) = (&mut Window::new(u16::MAX), &mut Backlog::default());
        in_flight.end(PacketId::new(id).unwrap(), window, backlog, &mut Log::off());
    }

    #[test]
    fn nothing_is_kept_of_a_message_that_was_received_but_its_id() {
        let mut in_flight = InFlight::default();
        let id = PacketId::new(begin(&mut in_flight)).unwrap();
        in_flight.release(id, &mut Log::off());
        assert_eq!(in_flight.stage(id), Some(Outgoing::AwaitingPubComp));
        assert!(in_flight.iter().all(|exchange| exchange.message.is_none()));
    }

    #[test]
    fn an_exchange_is_found_by_its_id_wherever_the_ring_of_ids_begins_5_mqtt_2_2_1_4() {
        // So far from the end of the ring the first one stands, and how many are under way then.
        for (before_end, count) in [(0, 5), (1, 5), (4, 5), (5, 5), (3, 2_000)] {
            let mut in_flight = InFlight {
                last_id: PacketId::new(u16::MAX - before_end - 1),
                ..InFlight::default()
            };
            let ids: alloc::vec::Vec<u16> = (0..count).map(|_| begin(&mut in_flight)).collect();
            for &id in &ids {
                let at = in_flight.position(PacketId::new(id).unwrap());
                assert_eq!(at.and_then(|at| ids.get(at)), Some(&id), "{before_end} {count}");
            }
            let free = PacketId::new(ids[count - 1]).unwrap().next();
            assert_eq!(in_flight.position(free), None);
            // One after the other, from the middle on.
            for at in (count / 2..count).chain(0..count / 2) {
                end(&mut in_flight, ids[at]);
                assert!(in_flight.stage(PacketId::new(ids[at]).unwrap()).is_none());
            }
            assert_eq!(in_flight.len(), 0);
        }
    }

    #[test]
    fn an_id_that_was_held_for_a_whole_round_is_passed_over_and_all_are_found_still_5_mqtt_2_2_1_4() {
        let mut in_flight = InFlight::default();
        for id in 1..=6 {
            assert_eq!(begin(&mut in_flight), id);
        }
        for id in 2..=5 {
            end(&mut in_flight, id);
        }
        for id in 7..=u16::MAX {
            assert_eq!(begin(&mut in_flight), id);
            end(&mut in_flight, id);
        }
        // Round once: the order of ids is not that of the exchanges any more.
        let mut left = alloc::vec![1, 6];
        for id in [2, 3, 4, 5, 7] {
            assert_eq!(begin(&mut in_flight), id);
            left.push(id);
        }
        while !left.is_empty() {
            for &id in &left {
                let found = in_flight.position(PacketId::new(id).unwrap());
                assert_eq!(found, left.iter().position(|&of| of == id), "{id} of {left:?}");
            }
            let gone = left.remove(left.len() / 3);
            end(&mut in_flight, gone);
        }
        assert_eq!(in_flight.len(), 0);
    }
}
