//! SUBSCRIBE and UNSUBSCRIBE under way, and what their answers make of the registry.
//!
//! Answers may come in another order than the requests, but the server has handled these in theirs: so an answer counts
//! when all older ones are known.

use alloc::{string::String, vec::Vec};

use mqtt_proto::{
    Properties, QoS, ReasonCode, TopicFilter,
    packet::{Subscription, SubscriptionOptions},
};

use super::{Entry, NotRestored, Presence, Registry, RegistryEvent};
use crate::Token;

/// A request that the client has accepted.
#[derive(Clone, Debug)]
pub(super) struct Request {
    token: Token,
    what: What,
    answer: Option<Answer>,
}

#[derive(Clone, Debug)]
enum What {
    Subscribe {
        filters: Vec<(String, SubscriptionOptions)>,
        identifier: Option<u32>,
        /// It is the registry's own.
        restoring: bool,
    },
    Unsubscribe(Vec<String>),
}

#[derive(Clone, Debug)]
enum Answer {
    Codes(Vec<ReasonCode>),
    Aborted,
}

impl What {
    const fn is_restoring(&self) -> bool {
        matches!(self, Self::Subscribe { restoring: true, .. })
    }

    /// The filters, if the application has asked for this.
    fn of_application(&self) -> impl Iterator<Item = &String> {
        let (subscribed, unsubscribed) = match self {
            Self::Subscribe {
                filters,
                restoring: false,
                ..
            } => (filters.as_slice(), [].as_slice()),
            Self::Subscribe { .. } => ([].as_slice(), [].as_slice()),
            Self::Unsubscribe(filters) => ([].as_slice(), filters.as_slice()),
        };
        subscribed.iter().map(|(filter, _)| filter).chain(unsubscribed)
    }
}

impl Registry {
    /// [`Client::subscribe`](crate::Client::subscribe) has taken this request of the application's.
    pub fn handle_subscribe(
        &mut self,
        token: Token,
        filters: &[Subscription<'_>],
        properties: Properties<'_>,
    ) {
        let filters = filters.iter().map(|s| (s.filter.as_str().into(), s.options));
        self.begin(
            token,
            What::Subscribe {
                filters: filters.collect(),
                identifier: properties.subscription_identifiers().next(),
                restoring: false,
            },
        );
    }

    /// [`Client::unsubscribe`](crate::Client::unsubscribe) has taken this request of the application's.
    pub fn handle_unsubscribe(&mut self, token: Token, filters: &[TopicFilter<'_>]) {
        let filters = filters.iter().map(|filter| filter.as_str().into());
        self.begin(token, What::Unsubscribe(filters.collect()));
    }

    /// [`Client::subscribe`](crate::Client::subscribe) has taken the batch that
    /// [`poll_restore`](Self::poll_restore) gave out last.
    pub fn handle_restoring(&mut self, token: Token) {
        self.most = None;
        let filters = core::mem::take(&mut self.offered);
        for (filter, _) in &filters {
            if let Some(entry) = self.entries.get_mut(filter) {
                entry.presence = Presence::Asked;
            }
        }
        if filters.is_empty() {
            return;
        }
        self.begin(
            token,
            What::Subscribe {
                filters,
                identifier: self.offered_identifier,
                restoring: true,
            },
        );
    }

    /// SUBACK or UNSUBACK has come, with these codes; none in an UNSUBACK of 3.x. True if it was for a request of the
    /// registry's.
    pub fn handle_codes(&mut self, token: Token, codes: impl IntoIterator<Item = ReasonCode>) -> bool {
        self.answer(token, || Answer::Codes(codes.into_iter().collect()))
    }

    /// A request has ended without an answer, as it does when its connection ends. True if it was one of the
    /// registry's.
    pub fn handle_aborted(&mut self, token: Token) -> bool {
        // `Closed` comes after the aborts: until then nothing may be asked for, or be taken for done.
        self.connected &= !self.requests.iter().any(|request| request.token == token);
        self.answer(token, || Answer::Aborted)
    }

    /// There is a request of the registry's under way.
    pub(super) fn is_asking(&self) -> bool {
        self.requests.iter().any(|request| request.what.is_restoring())
    }

    /// How many requests of the application's are under way for a filter.
    pub(super) fn under_way(&self, filter: &str) -> usize {
        let all = self
            .requests
            .iter()
            .flat_map(|request| request.what.of_application());
        all.filter(|&one| one == filter).count()
    }

    fn begin(&mut self, token: Token, what: What) {
        for filter in what.of_application() {
            if let Some(entry) = self.entries.get_mut(filter) {
                entry.under_way += 1;
            }
        }
        self.requests.push_back(Request {
            token,
            what,
            answer: None,
        });
    }

    fn answer(&mut self, token: Token, answer: impl FnOnce() -> Answer) -> bool {
        let open = |request: &&mut Request| request.token == token && request.answer.is_none();
        let Some(request) = self.requests.iter_mut().find(open) else {
            return false;
        };
        request.answer = Some(answer());
        let restoring = request.what.is_restoring();
        self.settle();
        restoring
    }

    /// Lets answers count, up to the first request that has none.
    fn settle(&mut self) {
        while self
            .requests
            .front()
            .is_some_and(|request| request.answer.is_some())
        {
            let Some(Request { what, answer, .. }) = self.requests.pop_front() else {
                break;
            };
            let codes = match answer {
                Some(Answer::Codes(codes)) => Some(codes),
                Some(Answer::Aborted) | None => None,
            };
            for filter in what.of_application() {
                if let Some(entry) = self.entries.get_mut(filter) {
                    entry.under_way = entry.under_way.saturating_sub(1);
                }
            }
            match what {
                What::Subscribe {
                    filters,
                    identifier,
                    restoring,
                } => {
                    for (index, (filter, options)) in filters.into_iter().enumerate() {
                        let code = codes.as_ref().and_then(|codes| codes.get(index).copied());
                        if restoring {
                            self.restored(filter, code);
                        } else {
                            self.subscribed(filter, options, identifier, code);
                        }
                    }
                }
                What::Unsubscribe(filters) => {
                    for (index, filter) in filters.into_iter().enumerate() {
                        // In 3.x UNSUBACK has no codes: it says that all went well.
                        let gone = codes.as_ref().is_some_and(|codes| {
                            codes.is_empty() || codes.get(index).is_some_and(|code| !code.is_failure())
                        });
                        if gone {
                            self.entries.remove(&filter);
                        } else {
                            self.queue_again(filter);
                        }
                    }
                }
            }
        }
        self.tell_progress();
    }

    fn subscribed(
        &mut self,
        filter: String,
        options: SubscriptionOptions,
        identifier: Option<u32>,
        code: Option<ReasonCode>,
    ) {
        match code.filter(|code| !code.is_failure()) {
            Some(code) => {
                let entry = Entry {
                    options,
                    identifier,
                    granted: QoS::from_u8(code.0).unwrap_or(options.qos),
                    presence: Presence::Held,
                    under_way: self.under_way(&filter),
                };
                self.entries.insert(filter, entry);
            }
            None => self.queue_again(filter),
        }
    }

    fn restored(&mut self, filter: String, code: Option<ReasonCode>) {
        let Some(entry) = self.entries.get_mut(&filter) else {
            return;
        };
        let Some(code) = code else {
            entry.presence = Presence::Missing;
            return;
        };
        if code.is_failure() {
            return self.give_up(filter, NotRestored::Code(code));
        }
        entry.presence = Presence::Held;
        let granted = QoS::from_u8(code.0).unwrap_or(entry.options.qos);
        let lowered = granted < entry.granted;
        entry.granted = granted;
        if let Some(progress) = &mut self.restoring {
            progress.restored += 1;
        }
        if lowered {
            self.events.push_back(RegistryEvent::Lowered { filter, granted });
        }
    }

    /// What the application wanted instead of a missing subscription did not come about: that one is wanted again.
    fn queue_again(&mut self, filter: String) {
        if !self.connected {
            return;
        }
        if let Some(entry) = self.entries.get_mut(&filter) {
            if entry.presence == Presence::Missing && entry.under_way == 0 {
                entry.presence = Presence::Queued;
                self.queue.push_back(filter);
                self.restoring.get_or_insert_with(Default::default);
            }
        }
    }
}
