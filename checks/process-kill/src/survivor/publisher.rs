//! Publishes, and says of each message when it is accepted and safe, and when its end is.

use std::collections::BTreeMap;

use mqtt_proto::TopicName;
use mqtt_session::{
    Publish,
    client::{Acknowledge, ClosedBy, OwnedEvent},
};
use process_kill::{NUMBERS, TOPIC, payload_of, qos_of};

use crate::{Life, Result, say, session::Session};

/// Messages in the outbox at a time.
const UNDER_WAY: usize = 40;

pub(crate) fn live(life: &mut Life) -> Result<()> {
    let mut session = Session::open(life, Acknowledge::Automatic)?;
    say(&format!("open {}", session.machine.outbox_messages().count()))?;
    // Some are accepted before there is a connection.
    let mut number = life.round * NUMBERS;
    let mut under_way = BTreeMap::new();
    let mut ended = Vec::new();
    publish(life, &mut session, &mut number, &mut under_way)?;
    session.connect(life)?;
    let mut ending = false;
    loop {
        if !life.is_over() {
            // Not in each turn: that makes everything safe, and some things should have to wait for it.
            if life.random.below(4) == 0 {
                publish(life, &mut session, &mut number, &mut under_way)?;
            }
        } else if !ending && session.machine.is_connected() && session.machine.is_idle() {
            let until = session.now();
            session.machine.shutdown(until, until)?;
            ending = true;
        }
        for event in session.turn(&mut life.random)? {
            match event {
                OwnedEvent::Connected(_) => {}
                // Of those that an earlier process has published, the token is not known.
                OwnedEvent::Completed { token, .. } => ended.extend(under_way.remove(&token.get())),
                OwnedEvent::Closed(closed) if ending && closed.by == ClosedBy::Client => {
                    session.turn(&mut life.random)?;
                    return Ok(say("rest")?);
                }
                other => return Err(format!("not expected: {other:?}").into()),
            }
        }
        if life.random.below(4) == 0 && !ended.is_empty() {
            session.persist()?;
            for number in ended.drain(..) {
                say(&format!("done {number}"))?;
            }
        }
    }
}

fn publish(
    life: &mut Life,
    session: &mut Session,
    number: &mut u32,
    under_way: &mut BTreeMap<u32, u32>,
) -> Result<()> {
    let from = *number;
    let room = UNDER_WAY.saturating_sub(session.machine.outbox_messages().count());
    for _ in 0..room.min(life.random.below(9) as usize) {
        // Small, most of them: but some take more than one call of the system to be written.
        let filler = match life.random.below(10) {
            0 => life.random.below(9_000),
            _ => life.random.below(90),
        };
        let message = Publish::new(TopicName::new(TOPIC)?, qos_of(*number));
        let now = session.now();
        let payload = payload_of(*number, filler as usize);
        let token = session
            .machine
            .publish(now, &message, &payload[..])
            .map_err(|refused| refused.why)?;
        under_way.insert(token.get(), *number);
        *number += 1;
    }
    if from != *number {
        session.persist()?;
    }
    for safe in from..*number {
        say(&format!("safe {safe}"))?;
    }
    Ok(())
}
