//! A list of properties as a view on bytes that were checked once.

use super::Property;

/// A list of properties: the bytes of a decoded packet, a caller's slice, or the one followed by the other. `Copy`, two slices.
///
/// Iterating cannot fail: what was decoded was checked then, and what a caller lists is typed. Whether a property may stand
/// in a packet is checked when the packet is encoded.
#[derive(Copy, Clone, Default)]
pub struct Properties<'a> {
    /// Encoded properties without their length, checked.
    wire: &'a [u8],
    /// Properties that come after those.
    list: &'a [Property<'a>],
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self { wire: &[], list: &[] };

    /// The properties of a slice.
    pub const fn new(list: &'a [Property<'a>]) -> Self {
        Self { wire: &[], list }
    }

    /// The same properties as decoded, followed by these; a slice that was given earlier is replaced.
    #[must_use]
    pub const fn with(self, list: &'a [Property<'a>]) -> Self {
        Self { wire: self.wire, list }
    }

    /// Bytes that the decoder has checked.
    pub(crate) const fn checked(wire: &'a [u8]) -> Self {
        Self { wire, list: &[] }
    }

    /// No property stands in the list.
    pub const fn is_empty(&self) -> bool {
        self.wire.is_empty() && self.list.is_empty()
    }

    /// The encoded part: properties as they came, without their length.
    pub const fn as_wire(&self) -> &'a [u8] {
        self.wire
    }

    /// The properties in order.
    pub const fn iter(&self) -> Iter<'a> {
        Iter { wire: self.wire, list: self.list }
    }

    /// The values of User Property, in order.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|p| if let Property::UserProperty(name, value) = p { Some((name, value)) } else { None })
    }

    /// The values of Subscription Identifier, in order.
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.iter().filter_map(|p| if let Property::SubscriptionIdentifier(id) = p { Some(id) } else { None })
    }
}

macro_rules! single {
    ($($name:ident: $variant:ident -> $type:ty,)*) => {
        /// One method for each property that stands once: its value, if the list has it.
        impl<'a> Properties<'a> {$(
            #[doc = concat!("The value of [`Property::", stringify!($variant), "`], if it is there.")]
            pub fn $name(&self) -> Option<$type> {
                self.iter().find_map(|p| if let Property::$variant(value) = p { Some(value) } else { None })
            }
        )*}
    };
}

single! {
    payload_format_indicator: PayloadFormatIndicator -> u8,
    message_expiry_interval: MessageExpiryInterval -> u32,
    content_type: ContentType -> &'a str,
    response_topic: ResponseTopic -> &'a str,
    correlation_data: CorrelationData -> &'a [u8],
    session_expiry_interval: SessionExpiryInterval -> u32,
    assigned_client_identifier: AssignedClientIdentifier -> &'a str,
    server_keep_alive: ServerKeepAlive -> u16,
    authentication_method: AuthenticationMethod -> &'a str,
    authentication_data: AuthenticationData -> &'a [u8],
    request_problem_information: RequestProblemInformation -> u8,
    will_delay_interval: WillDelayInterval -> u32,
    request_response_information: RequestResponseInformation -> u8,
    response_information: ResponseInformation -> &'a str,
    server_reference: ServerReference -> &'a str,
    reason_string: ReasonString -> &'a str,
    receive_maximum: ReceiveMaximum -> u16,
    topic_alias_maximum: TopicAliasMaximum -> u16,
    topic_alias: TopicAlias -> u16,
    maximum_qos: MaximumQoS -> u8,
    retain_available: RetainAvailable -> u8,
    maximum_packet_size: MaximumPacketSize -> u32,
    wildcard_subscription_available: WildcardSubscriptionAvailable -> u8,
    subscription_identifier_available: SubscriptionIdentifierAvailable -> u8,
    shared_subscription_available: SharedSubscriptionAvailable -> u8,
}

/// The properties of a list, in order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    wire: &'a [u8],
    list: &'a [Property<'a>],
}
