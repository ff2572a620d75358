//! SUBSCRIBE (3.8).

use crate::{PacketId, Properties, QoS, TopicFilter, Version};

/// A client's request for subscriptions.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// The id that SUBACK repeats.
    pub packet_id: PacketId,
    /// Subscription Identifier and User Property; empty in 3.x.
    pub properties: Properties<'a>,
    /// One or more filters with their options.
    pub filters: Subscriptions<'a>,
}

/// A filter with its options.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscription<'a> {
    /// Which topics; in 5.0 also `$share/group/filter`.
    pub filter: TopicFilter<'a>,
    /// How.
    pub options: SubscriptionOptions,
}

/// The options of a subscription (3.8.3.1); in 3.x all but `qos` must have their default.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionOptions {
    /// Highest QoS at which messages are wanted.
    pub qos: QoS,
    /// Do not send what this client itself published.
    pub no_local: bool,
    /// Keep the RETAIN flag of the publisher.
    pub retain_as_published: bool,
    /// Which retained messages to send when subscribing.
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    /// Options with this QoS, and the defaults of 3.x.
    pub const fn new(qos: QoS) -> Self {
        Self { qos, no_local: false, retain_as_published: false, retain_handling: RetainHandling::Send }
    }
}

/// Which retained messages a subscription brings (3.8.3.1).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "closed by the standard")]
#[repr(u8)]
pub enum RetainHandling {
    /// All that match, each time.
    #[default]
    Send = 0,
    /// All that match, if the subscription is new.
    SendIfNew = 1,
    /// None.
    DoNotSend = 2,
}

/// The subscriptions of a SUBSCRIBE: bytes of a decoded packet, or a caller's slice.
#[derive(Copy, Clone)]
pub struct Subscriptions<'a>(pub(crate) SubscriptionsRepr<'a>);

#[derive(Copy, Clone)]
pub(crate) enum SubscriptionsRepr<'a> {
    /// Checked payload bytes; options are read by version.
    Wire(&'a [u8], Version),
    List(&'a [Subscription<'a>]),
}

impl<'a> Subscriptions<'a> {
    /// The subscriptions of a slice; it must not be empty.
    pub const fn new(list: &'a [Subscription<'a>]) -> Self {
        Self(SubscriptionsRepr::List(list))
    }
}
