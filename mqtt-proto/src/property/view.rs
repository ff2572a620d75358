//! A list of properties as a view on bytes that were checked once.

use core::fmt;

use super::{Property, PropertyPlace, Seen};
use crate::{
    DecodeError, EncodeError, PacketType, Sender, Version,
    rules::Site,
    wire::{Count, Reader, Sink},
};

/// A list of properties: the bytes of a decoded packet, a caller's slice, or the one followed by the other
/// ([`with`](Self::with)). `Copy`, three words.
///
/// Iterating cannot fail: what was decoded was checked then, and what a caller lists is typed. Whether a property may stand
/// in a packet is checked when the packet is encoded.
#[derive(Copy, Clone)]
pub struct Properties<'a>(Repr<'a>);

#[derive(Copy, Clone)]
enum Repr<'a> {
    /// Encoded properties without their length, checked.
    Wire(&'a [u8]),
    List(&'a [Property<'a>]),
    Both(&'a Joined<'a>),
}

/// Decoded properties followed by a caller's. [`Properties::with`] makes it, [`view`](Self::view) is the list.
#[derive(Copy, Clone)]
pub struct Joined<'a> {
    wire: &'a [u8],
    list: &'a [Property<'a>],
}

impl<'a> Joined<'a> {
    /// All of them.
    pub const fn view(&'a self) -> Properties<'a> {
        Properties(Repr::Both(self))
    }
}

impl fmt::Debug for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self(Repr::Wire(&[]));

    /// The properties of a slice.
    pub const fn new(list: &'a [Property<'a>]) -> Self {
        Self(Repr::List(list))
    }

    /// The same properties as decoded, followed by these; a slice that was given earlier is replaced.
    ///
    /// ```
    /// # use mqtt_proto::{PacketType, Properties, Property, property::PropertyPlace};
    /// let place = PropertyPlace::Packet(PacketType::Publish);
    /// let received = Properties::from_wire(place, &[0x01, 0x01]).unwrap();
    /// let both = received.with(&[Property::SubscriptionIdentifier(7)]);
    /// assert_eq!(both.view().iter().count(), 2);
    /// ```
    #[must_use]
    pub const fn with(self, list: &'a [Property<'a>]) -> Joined<'a> {
        let (wire, _) = self.parts();
        Joined { wire, list }
    }

    /// The encoded properties, and those that come after them.
    const fn parts(&self) -> (&'a [u8], &'a [Property<'a>]) {
        match self.0 {
            Repr::Wire(wire) => (wire, &[]),
            Repr::List(list) => (&[], list),
            Repr::Both(both) => (both.wire, both.list),
        }
    }

    /// The properties that these bytes hold, as [`as_wire`](Self::as_wire) gives them: encoded, without their length.
    ///
    /// # Errors
    /// What a decoder finds in a 5.0 packet with these properties, whoever sends it; offsets count from the first byte.
    pub fn from_wire(place: PropertyPlace, wire: &'a [u8]) -> Result<Self, DecodeError> {
        let packet = match place {
            PropertyPlace::Packet(packet) => packet,
            PropertyPlace::Will => PacketType::Connect,
        };
        let site = Site {
            version: Version::V5,
            packet: Some(packet),
            from: Sender::Any,
            will: false,
        };
        Reader::new(site, wire, 0).property_list(place, wire)?;
        Ok(Self::checked(wire))
    }

    /// The slice that follows the encoded part, if there is no encoded part.
    #[must_use]
    pub const fn list(&self) -> Option<&'a [Property<'a>]> {
        match self.parts() {
            ([], list) => Some(list),
            _ => None,
        }
    }

    /// Bytes that the decoder has checked.
    pub(crate) const fn checked(wire: &'a [u8]) -> Self {
        Self(Repr::Wire(wire))
    }

    /// No property stands in the list.
    pub const fn is_empty(&self) -> bool {
        matches!(self.parts(), ([], []))
    }

    /// The encoded part: properties as they came, without their length.
    pub const fn as_wire(&self) -> &'a [u8] {
        self.parts().0
    }

    /// The properties in order.
    pub const fn iter(&self) -> Iter<'a> {
        let (wire, list) = self.parts();
        Iter { wire, list }
    }

    /// The values of User Property, in order.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|p| {
            if let Property::UserProperty(name, value) = p {
                Some((name, value))
            } else {
                None
            }
        })
    }

    /// The values of Subscription Identifier, in order.
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.iter().filter_map(|p| {
            if let Property::SubscriptionIdentifier(id) = p {
                Some(id)
            } else {
                None
            }
        })
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

impl<'a> Iterator for Iter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        if let Some((property, rest)) = Property::next(self.wire) {
            self.wire = rest;
            return Some(property);
        }
        let (first, rest) = self.list.split_first()?;
        self.list = rest;
        Some(*first)
    }
}

impl core::iter::FusedIterator for Iter<'_> {}

impl<'a> IntoIterator for Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Default for Properties<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<'a> From<&'a Joined<'a>> for Properties<'a> {
    fn from(both: &'a Joined<'a>) -> Self {
        both.view()
    }
}

impl<'a> From<&'a [Property<'a>]> for Properties<'a> {
    fn from(list: &'a [Property<'a>]) -> Self {
        Self::new(list)
    }
}

/// The same properties in the same order.
impl PartialEq for Properties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Properties<'_> {}

/// A list; Authentication Data is masked.
impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|property| {
                let secret = matches!(property, Property::AuthenticationData(_));
                if secret {
                    Property::AuthenticationData(b"***")
                } else {
                    property
                }
            }))
            .finish()
    }
}

impl Properties<'_> {
    /// The rules about a list of properties that is to be written there.
    pub(crate) fn check(&self, place: PropertyPlace, site: Site) -> Result<Seen, EncodeError> {
        let mut seen = Seen::default();
        if self.is_empty() {
            return Ok(seen);
        }
        if !site.version.has_properties() {
            return Err(site.not_in_version());
        }
        let site = Site {
            will: matches!(place, PropertyPlace::Will),
            ..site
        };
        for property in self.parts().1 {
            property.check_fits(site)?;
        }
        for property in self {
            seen.may_stand(property.id(), place, site)?;
            property.check(site)?;
        }
        Ok(seen)
    }

    /// The properties behind their length; nothing in a version that has none.
    pub(crate) fn write(&self, site: Site, sink: &mut impl Sink) {
        if site.version.has_properties() {
            let mut count = Count::default();
            self.write_list(&mut count);
            // What is too large for a packet was refused before.
            sink.varint(u32::try_from(count.0).unwrap_or(u32::MAX));
            self.write_list(sink);
        }
    }

    fn write_list(&self, sink: &mut impl Sink) {
        let (wire, list) = self.parts();
        sink.put(wire);
        for property in list {
            property.write(sink);
        }
    }
}
