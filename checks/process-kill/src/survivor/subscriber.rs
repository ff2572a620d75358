//! Takes messages: writes each to a file, makes that safe, and acknowledges it then.

use std::{
    fs::{File, OpenOptions},
    io::Write,
};

use mqtt_proto::{
    Properties, QoS, ReasonCode, TopicFilter,
    packet::{Subscription, SubscriptionOptions},
};
use mqtt_session::{
    AckToken,
    client::{Ack, Acknowledge, ClosedBy, OwnedEvent},
};
use process_kill::{TAKEN, TOPIC, number_in, qos_of};

use crate::{Life, Result, say, session::Session};

struct Taker {
    file: File,
    /// Messages that are in the file, and wait for their acknowledgement.
    held: Vec<(u32, AckToken)>,
    /// Messages that are acknowledged, which may not be safe yet.
    acknowledged: Vec<u32>,
}

pub(crate) fn live(life: &mut Life) -> Result<()> {
    let mut session = Session::open(life, Acknowledge::Manual)?;
    say("open")?;
    let path = life.directory.join(TAKEN);
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    // An entry that was not written whole was not acknowledged.
    file.set_len(file.metadata()?.len() / 8 * 8)?;
    let mut taker = Taker {
        file,
        held: Vec::new(),
        acknowledged: Vec::new(),
    };
    session.connect(life)?;
    let mut ending = false;
    loop {
        let events = session.turn(&mut life.random)?;
        let idle = events.is_empty();
        for event in events {
            match event {
                OwnedEvent::Connected(_) => {
                    // Again each time: a process may have died before it could.
                    let filter = TopicFilter::new(TOPIC)?;
                    let options = SubscriptionOptions::new(QoS::ExactlyOnce);
                    let now = session.now();
                    let subscription = Subscription { filter, options };
                    session
                        .machine
                        .subscribe(now, &[subscription], Properties::EMPTY)?;
                }
                OwnedEvent::Completed { .. } => say("ready")?,
                OwnedEvent::Message(message) => {
                    let number = number_in(&message.payload).ok_or("not a message of ours")?;
                    taker.take(life.round, number)?;
                    let ack = message.ack.ok_or("nothing to acknowledge")?;
                    taker.held.push((number, ack));
                }
                OwnedEvent::Closed(closed) if ending && closed.by == ClosedBy::Client => {
                    session.turn(&mut life.random)?;
                    return Ok(say("rest")?);
                }
                other => return Err(format!("not expected: {other:?}").into()),
            }
        }
        // Some are left for later, and they do not go in the order in which they came.
        let keep = if idle { 0 } else { life.random.below(4) as usize };
        taker.acknowledge(life, &mut session, keep)?;
        if idle && life.is_over() && !ending && session.machine.is_connected() && session.machine.is_idle() {
            let until = session.now();
            session.machine.shutdown(until, until)?;
            ending = true;
        }
    }
}

impl Taker {
    fn take(&mut self, round: u32, number: u32) -> Result<()> {
        let mut entry = [0; 8];
        entry[..4].copy_from_slice(&round.to_be_bytes());
        entry[4..].copy_from_slice(&number.to_be_bytes());
        self.file.write_all(&entry)?;
        self.file.sync_data()?;
        Ok(say(&format!("took {number}"))?)
    }

    fn acknowledge(&mut self, life: &mut Life, session: &mut Session, keep: usize) -> Result<()> {
        while self.held.len() > keep {
            let which = life.random.below(self.held.len() as u64) as usize;
            let (number, ack) = self.held.swap_remove(which);
            let now = session.now();
            session
                .machine
                .acknowledge(now, ack, &Ack::new(ReasonCode::SUCCESS))
                .map_err(|refused| refused.why)?;
            self.acknowledged.push(number);
        }
        if life.random.below(4) == 0 && !self.acknowledged.is_empty() {
            session.persist()?;
            for number in self.acknowledged.drain(..) {
                if qos_of(number) == QoS::ExactlyOnce {
                    say(&format!("sealed {number}"))?;
                }
            }
        }
        Ok(())
    }
}
