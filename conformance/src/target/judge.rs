//! Who decides what our server asks, as the `config:` of a trace and its `broker deny` set it up.

use std::collections::BTreeSet;

use mqtt_proto::{ReasonCode, Version, packet::Auth};
use mqtt_session::Instant;
use mqtt_session::server::{
    Asked, Asks, Challenge, Decision, Question, Refusal, Remarks, Server, ServerConfig, Terms,
};

use crate::fields::{Bindings, Val, resolve_value};
use crate::trace::Trace;
use crate::trace::ast::{BrokerAct, Field};

/// Refuses a client id, a user name, a password and a topic, sends a client away, knows one authentication method, and has something to say.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    asks: Asks,
    refused_client_id: Option<String>,
    refused_user_name: Option<String>,
    refused_password: Option<Vec<u8>>,
    /// This one belongs to the server `other`.
    moved_client_id: Option<String>,
    /// To publish, as the topic of a will, and as a filter.
    refused_topic: Option<String>,
    /// What is said about the client id and the topic, instead of not valid and not authorized.
    refused_code: Option<ReasonCode>,
    /// What lines of the trace deny, as they come.
    denied: Denied,
    /// A client that does not send `secret` at once is asked for it with the data `?`.
    method: Option<String>,
    secret: Vec<u8>,
    remarks: Remarks,
}

/// What nobody may do.
#[derive(Clone, Debug, Default)]
struct Denied {
    topics: BTreeSet<String>,
    filters: BTreeSet<String>,
    client_ids: BTreeSet<String>,
}

impl Judge {
    /// As the trace wants it; the server is set up to ask.
    pub(super) fn new(trace: &Trace, config: &mut ServerConfig) -> Self {
        let mut judge = Self::default();
        for field in &trace.head.config {
            judge.take(field);
        }
        for act in trace.acts() {
            if let BrokerAct::Deny(fields) = act {
                // A will is a message, and decided on with its CONNECT.
                judge.asks.publish |= fields.iter().any(|field| field.name == "topic");
                judge.asks.subscribe |= fields.iter().any(|field| field.name == "filter");
                judge.asks.connect = true;
            }
        }
        config.offer_mut(0).asks = judge.asks;
        judge
    }

    /// Denies this from now on.
    ///
    /// # Errors
    ///
    /// There is nothing of that name to be denied, in words.
    pub(super) fn deny(&mut self, fields: &[(String, Val)]) -> Result<(), String> {
        for (name, value) in fields {
            let Val::Data(text) = value else {
                return Err(format!("{name} is no text"));
            };
            let text = String::from_utf8_lossy(text).into_owned();
            match &name[..] {
                "topic" => self.denied.topics.insert(text),
                "filter" => self.denied.filters.insert(text),
                "client_id" => self.denied.client_ids.insert(text),
                _ => {
                    return Err(format!(
                        "{name} cannot be denied: topic, filter and client_id can"
                    ));
                }
            };
        }
        Ok(())
    }

    /// False if this is no setting of a judge.
    pub(super) fn take(&mut self, field: &Field) -> bool {
        let value = resolve_value(&field.value, Version::V5, &Bindings::new());
        let data = match value {
            Ok(Val::Data(data)) => data,
            Ok(Val::Int(code)) if field.name == "refused_code" => {
                self.refused_code = u8::try_from(code).ok().map(ReasonCode);
                return self.refused_code.is_some();
            }
            Ok(Val::Pair(name, value)) if field.name == "user_property" => {
                self.remarks.user_properties.push((name.into(), value.into()));
                return true;
            }
            _ => return false,
        };
        let text = String::from_utf8_lossy(&data).into_owned();
        match &field.name[..] {
            "refused_client_id" => {
                self.asks.connect = true;
                self.refused_client_id = Some(text);
            }
            "refused_user_name" => {
                self.asks.connect = true;
                self.refused_user_name = Some(text);
            }
            "refused_password" => {
                self.asks.connect = true;
                self.refused_password = Some(data);
            }
            "moved_client_id" => {
                self.asks.connect = true;
                self.moved_client_id = Some(text);
            }
            "refused_topic" => {
                self.asks.connect = true;
                (self.asks.publish, self.asks.subscribe, self.asks.unsubscribe) = (true, true, true);
                self.refused_topic = Some(text);
            }
            "authentication_method" => {
                self.asks.connect = true;
                self.method = Some(text);
            }
            "authentication_data" => self.secret = data,
            "reason_string" => self.remarks.reason = Some(text.into()),
            _ => return false,
        }
        true
    }

    /// Decides all that the server asks.
    pub(super) fn sit(&self, server: &mut Server, now: Instant) {
        while let Some(ticket) = server.poll_question() {
            let Some(question) = server.question(ticket) else {
                continue;
            };
            let decision = self.decide(&question);
            server.handle_decision(now, ticket, decision);
        }
    }

    fn decide(&self, question: &Question<'_>) -> Decision {
        match question.asked {
            Asked::Connect(connect) => {
                if self.refused_client_id.as_deref() == Some(connect.client_id) {
                    let code = self.refused_code;
                    return self.refuse(code.unwrap_or(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID));
                }
                if self.moved_client_id.as_deref() == Some(connect.client_id) {
                    let refusal = Refusal::redirect(ReasonCode::USE_ANOTHER_SERVER, "other");
                    return Decision::Refuse(Box::new(refusal));
                }
                if self.refused_user_name.is_some() && self.refused_user_name.as_deref() == connect.user_name
                {
                    return self.refuse(ReasonCode::NOT_AUTHORIZED);
                }
                if self.refused_password.is_some() && self.refused_password.as_deref() == connect.password {
                    return self.refuse(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
                }
                if connect
                    .will
                    .as_ref()
                    .is_some_and(|will| self.is_refused(will.topic.as_str()))
                {
                    return self.refuse(self.about_topic());
                }
                let will = connect.will.as_ref().map(|will| will.topic.as_str());
                if self.denied.client_ids.contains(connect.client_id)
                    || will.is_some_and(|topic| self.denied.topics.contains(topic))
                {
                    return self.refuse(ReasonCode::NOT_AUTHORIZED);
                }
                match connect.properties.authentication_method() {
                    None => Decision::Allow,
                    Some(method) if self.method.as_deref() == Some(method) => {
                        self.prove(connect.properties.authentication_data())
                    }
                    Some(_) => self.refuse(ReasonCode::BAD_AUTHENTICATION_METHOD),
                }
            }
            Asked::Publish(publish) => self.about(publish.head.topic.as_str()),
            Asked::Subscribe(subscribe) => {
                let code = |filter, qos: u8| {
                    if self.is_refused(filter) {
                        self.about_topic()
                    } else if self.denied.filters.contains(filter) {
                        ReasonCode::NOT_AUTHORIZED
                    } else {
                        ReasonCode(qos)
                    }
                };
                let codes = subscribe
                    .filters
                    .iter()
                    .map(|one| code(one.filter.as_str(), one.options.qos.into()));
                Decision::Each(codes.collect())
            }
            Asked::Unsubscribe(unsubscribe) => {
                let codes = unsubscribe.filters.iter().map(|filter| {
                    if self.is_refused(filter.as_str()) {
                        self.about_topic()
                    } else {
                        ReasonCode::SUCCESS
                    }
                });
                Decision::Each(codes.collect())
            }
            Asked::Auth { auth, .. } | Asked::Reauthenticate(auth) => self.prove_by(&auth),
            // A question that nobody knew when this was written.
            _ => Decision::Deny(ReasonCode::NOT_AUTHORIZED),
        }
    }

    fn is_refused(&self, topic: &str) -> bool {
        self.refused_topic.as_deref() == Some(topic)
    }

    fn about_topic(&self) -> ReasonCode {
        self.refused_code.unwrap_or(ReasonCode::NOT_AUTHORIZED)
    }

    fn about(&self, topic: &str) -> Decision {
        if self.is_refused(topic) {
            self.refuse(self.about_topic())
        } else if self.denied.topics.contains(topic) {
            self.refuse(ReasonCode::NOT_AUTHORIZED)
        } else {
            Decision::Allow
        }
    }

    fn prove_by(&self, auth: &Auth<'_>) -> Decision {
        self.prove(auth.properties.authentication_data())
    }

    fn prove(&self, data: Option<&[u8]>) -> Decision {
        match data {
            Some(data) if data == self.secret => {
                let mut terms = Terms::default();
                terms.auth_data = Some((*b"welcome").into());
                terms.remarks = self.remarks.clone();
                Decision::Accept(Box::new(terms))
            }
            Some(_) => self.refuse(ReasonCode::NOT_AUTHORIZED),
            None => {
                let mut challenge = Challenge::default();
                challenge.data = Some((*b"?").into());
                challenge.remarks = self.remarks.clone();
                Decision::Continue(Box::new(challenge))
            }
        }
    }

    fn refuse(&self, code: ReasonCode) -> Decision {
        let mut refusal = Refusal::new(code);
        refusal.remarks = self.remarks.clone();
        Decision::Refuse(Box::new(refusal))
    }
}
