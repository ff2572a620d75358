//! What a connection is not told yet, because what it depends on is not safe.
//!
//! | packet | waits for |
//! |---|---|
//! | CONNACK | all that has changed until then: the session may be one of before |
//! | PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK | what its request has changed, and what those before it wait for |
//! | PUBLISH of QoS 1 or 2, to a session that is kept, for the first time | its entry: the packet id |
//! | PUBLISH of QoS 0, or sent again; AUTH; DISCONNECT; PINGRESP | nothing; DISCONNECT comes behind what is owed |

use alloc::{collections::VecDeque, vec::Vec};
use core::iter::repeat_n;

use super::Broker;
use crate::server::{
    ConnId, Delivery, Reply,
    journal::{Batch, Journal},
};

/// Of a link from which something was withheld lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// What the next answer waits for: its client has been promised nothing that is safe later.
    after: Batch,
    /// What each of the owed replies waits for.
    owed: VecDeque<Batch>,
    /// Messages that have a packet id.
    begun: VecDeque<(Batch, Delivery)>,
    /// The journal knows that this connection waits.
    listed: bool,
}

impl Held {
    /// For a link to which so much is owed that waits for nothing.
    pub(super) fn new(owed: usize) -> Self {
        Self {
            owed: repeat_n(Batch::default(), owed).collect(),
            ..Self::default()
        }
    }

    /// From now on answers wait for this.
    pub(super) fn depend(&mut self, after: Batch) {
        self.after = self.after.max(after);
    }

    /// Another reply is owed. True if the journal is to be told that somebody waits.
    pub(super) fn owe(&mut self, reply: &Reply) -> bool {
        let after = if depends(reply) {
            self.after
        } else {
            // It waits for nothing but its turn; whoever looks at the last one sees what those before it wait for.
            self.owed.back().copied().unwrap_or_default()
        };
        self.owed.push_back(after);
        !core::mem::replace(&mut self.listed, true)
    }

    /// A message has begun. As [`owe`](Self::owe).
    pub(super) fn begin(&mut self, after: Batch, delivery: Delivery) -> bool {
        self.begun.push_back((after, delivery));
        !core::mem::replace(&mut self.listed, true)
    }

    /// The next of the owed replies has to wait.
    pub(super) fn holds_owed(&self, journal: &Journal) -> bool {
        self.owed
            .front()
            .is_some_and(|&after| !journal.is_persisted(after))
    }

    /// The next of the owed replies is taken.
    pub(super) fn take_owed(&mut self) {
        self.owed.pop_front();
    }

    /// The next message that need not wait any more.
    pub(super) fn take_begun(&mut self, journal: &Journal) -> Option<Delivery> {
        self.begun
            .front()
            .filter(|(after, _)| journal.is_persisted(*after))?;
        self.begun.pop_front().map(|(_, delivery)| delivery)
    }

    /// The journal has called. True if it is to do so again.
    fn called(&mut self, journal: &Journal) -> bool {
        let last = [
            self.owed.back().copied(),
            self.begun.back().map(|&(after, _)| after),
        ];
        self.listed = last
            .into_iter()
            .flatten()
            .any(|after| !journal.is_persisted(after));
        self.listed
    }

    /// Nothing is owed any more.
    pub(super) fn forget(&mut self) {
        self.owed = VecDeque::new();
        self.begun = VecDeque::new();
    }

    /// Nothing is lost with it.
    pub(super) fn is_idle(&self, journal: &Journal) -> bool {
        self.owed.is_empty() && self.begun.is_empty() && !self.listed && journal.is_persisted(self.after)
    }
}

/// Whether a reply tells of a state that has to outlive the process.
fn depends(reply: &Reply) -> bool {
    match reply {
        Reply::Accept(_)
        | Reply::PubAck(..)
        | Reply::PubRec(..)
        | Reply::PubRel(..)
        | Reply::PubComp(..)
        | Reply::SubAck(..)
        | Reply::UnsubAck(..) => true,
        Reply::Explained(explained) => depends(&explained.reply),
        Reply::Refuse(_) | Reply::Auth(_) | Reply::Deliver(_) | Reply::Disconnect(_) | Reply::Close => false,
    }
}

impl Broker {
    /// What this connection is told next depends on all that there is.
    pub(super) fn depend_on_all(&mut self, conn: ConnId) {
        if let Some(after) = self.journal.of_all() {
            if let Some(link) = self.link_mut(conn) {
                link.depend(after);
            }
        }
    }

    /// Batches have become safe: these connections may have something to take.
    pub(in crate::server) fn wake_withheld(&mut self, waiting: Vec<ConnId>) {
        for conn in waiting {
            let Self { links, journal, .. } = self;
            let link = links
                .get_mut(conn.index())
                .filter(|link| link.generation == conn.generation);
            let Some(held) = link.and_then(|link| link.held.as_mut()) else {
                continue;
            };
            if held.called(journal) {
                journal.withhold(conn);
            }
            self.wake(conn);
        }
    }
}
