//! SUBSCRIBE (3.8).

use core::{fmt, iter::FusedIterator};

use crate::{
    DecodeError, DecodeErrorKind, EncodeError, PacketId, PacketType, Properties, QoS, Sender, TopicFilter,
    Version,
    property::PropertyPlace,
    rules::{Broken, Site},
    wire::{self, Reader, Sink, check_share},
};

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
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
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

impl RetainHandling {
    /// 0, 1 or 2; `None` for anything else.
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Send),
            1 => Some(Self::SendIfNew),
            2 => Some(Self::DoNotSend),
            _ => None,
        }
    }
}

impl SubscriptionOptions {
    /// The options byte of this version. In 3.x all bits but the QoS are reserved; in 3.1 they are not looked at.
    fn parse(byte: u8, site: Site) -> Result<Self, Broken> {
        let v5 = site.version.has_properties();
        if byte & if v5 { 0xC0 } else { 0xFC } != 0 {
            site.refuse(DecodeErrorKind::OptionsReserved)?;
        }
        let qos = QoS::from_u8(byte & 0x03).ok_or_else(|| site.broken(DecodeErrorKind::OptionsQoS))?;
        if !v5 {
            return Ok(Self::new(qos));
        }
        let retain_handling = RetainHandling::from_u8(byte >> 4 & 0x03)
            .ok_or_else(|| site.broken(DecodeErrorKind::RetainHandling))?;
        Ok(Self {
            qos,
            no_local: byte & 0x04 != 0,
            retain_as_published: byte & 0x08 != 0,
            retain_handling,
        })
    }

    fn to_byte(self) -> u8 {
        u8::from(self.qos)
            | u8::from(self.no_local) << 2
            | u8::from(self.retain_as_published) << 3
            | (self.retain_handling as u8) << 4
    }

    /// Options with this QoS, and the defaults of 3.x.
    pub const fn new(qos: QoS) -> Self {
        Self {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
        }
    }
}

/// Which retained messages a subscription brings (3.8.3.1).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
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

/// The subscriptions of a SUBSCRIBE: bytes of a decoded packet, or a caller's slice. Iterating cannot fail.
#[derive(Copy, Clone)]
pub struct Subscriptions<'a>(SubscriptionsRepr<'a>);

#[derive(Copy, Clone)]
enum SubscriptionsRepr<'a> {
    /// Checked payload bytes; options are read by version.
    Wire(&'a [u8], Version),
    List(&'a [Subscription<'a>]),
}

impl<'a> Subscription<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let filter = r.topic_filter()?;
        let at = r.offset();
        let options = SubscriptionOptions::parse(r.u8()?, r.site).map_err(|broken| broken.at(at))?;
        let subscription = Self { filter, options };
        subscription
            .check_no_local(r.site)
            .map_err(|broken| broken.at(at))?;
        Ok(subscription)
    }

    /// `5/MQTT-3.8.3-4`
    fn check_no_local(&self, site: Site) -> Result<(), Broken> {
        if self.options.no_local && self.filter.share().is_some() {
            return site.refuse(DecodeErrorKind::SharedNoLocal);
        }
        Ok(())
    }

    fn check(&self, site: Site) -> Result<(), EncodeError> {
        if !site.version.has_properties() && self.options != SubscriptionOptions::new(self.options.qos) {
            return Err(site.not_in_version());
        }
        check_share(site, self.filter).map_err(|(broken, _)| broken)?;
        Ok(self.check_no_local(site)?)
    }

    /// The subscription that checked bytes begin with, and the bytes after it.
    fn next(wire: &'a [u8], version: Version) -> Option<(Self, &'a [u8])> {
        let (rest, filter) = wire::text(wire).ok()?;
        let (rest, byte) = wire::u8(rest).ok()?;
        let site = Site {
            version,
            packet: Some(PacketType::Subscribe),
            from: Sender::Any,
            will: false,
        };
        let options = SubscriptionOptions::parse(byte, site).ok()?;
        Some((
            Self {
                filter: TopicFilter::validated(filter),
                options,
            },
            rest,
        ))
    }
}

impl<'a> Subscriptions<'a> {
    /// The subscriptions of a slice; it must not be empty.
    pub const fn new(list: &'a [Subscription<'a>]) -> Self {
        Self(SubscriptionsRepr::List(list))
    }

    /// How many there are; counted each time.
    pub fn len(&self) -> usize {
        match self.0 {
            SubscriptionsRepr::Wire(..) => self.iter().count(),
            SubscriptionsRepr::List(list) => list.len(),
        }
    }

    /// There are none, which cannot be written.
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            SubscriptionsRepr::Wire(wire, _) => wire.is_empty(),
            SubscriptionsRepr::List(list) => list.is_empty(),
        }
    }

    /// The subscriptions in order.
    pub const fn iter(&self) -> SubscriptionsIter<'a> {
        SubscriptionsIter(self.0)
    }
}

/// The subscriptions of a SUBSCRIBE, in order.
#[derive(Clone)]
pub struct SubscriptionsIter<'a>(SubscriptionsRepr<'a>);

impl<'a> Iterator for SubscriptionsIter<'a> {
    type Item = Subscription<'a>;

    fn next(&mut self) -> Option<Subscription<'a>> {
        match &mut self.0 {
            SubscriptionsRepr::Wire(wire, version) => {
                let (subscription, rest) = Subscription::next(wire, *version)?;
                *wire = rest;
                Some(subscription)
            }
            SubscriptionsRepr::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(*first)
            }
        }
    }
}

impl FusedIterator for SubscriptionsIter<'_> {}

impl fmt::Debug for SubscriptionsIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a> IntoIterator for Subscriptions<'a> {
    type Item = Subscription<'a>;
    type IntoIter = SubscriptionsIter<'a>;

    fn into_iter(self) -> SubscriptionsIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Subscriptions<'a> {
    type Item = Subscription<'a>;
    type IntoIter = SubscriptionsIter<'a>;

    fn into_iter(self) -> SubscriptionsIter<'a> {
        self.iter()
    }
}

/// The same subscriptions in the same order.
impl PartialEq for Subscriptions<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Subscriptions<'_> {}

impl fmt::Debug for Subscriptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Subscribe<'a> {
    const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::Subscribe);

    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = r.packet_id()?;
        let (properties, _) = r.properties(Self::PLACE)?;
        if r.is_empty() {
            return Err(r.broken(DecodeErrorKind::FiltersEmpty, r.offset()));
        }
        let mut filters = *r;
        while !filters.is_empty() {
            Subscription::decode(&mut filters)?;
        }
        let filters = Subscriptions(SubscriptionsRepr::Wire(r.take_rest(), r.site.version));
        Ok(Self {
            packet_id,
            properties,
            filters,
        })
    }

    pub(super) fn check(&self, site: Site) -> Result<(), EncodeError> {
        self.properties.check(Self::PLACE, site)?;
        if self.filters.is_empty() {
            return Err(site.broken(DecodeErrorKind::FiltersEmpty).into());
        }
        self.filters
            .iter()
            .try_for_each(|subscription| subscription.check(site))
    }

    pub(super) fn write(&self, site: Site, sink: &mut impl Sink) {
        sink.u16(self.packet_id.get());
        self.properties.write(site, sink);
        for Subscription { filter, options } in self.filters {
            sink.text(filter.as_str());
            sink.u8(options.to_byte());
        }
    }
}
