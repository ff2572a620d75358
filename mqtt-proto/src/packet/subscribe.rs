//! SUBSCRIBE (3.8).

use super::list::{List, sealed::Listed};
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
    /// The options byte of this version. In 3.x all bits but the QoS are reserved; in 3.1 they are not looked at (3.1/3.8-4).
    fn parse(byte: u8, site: Site) -> Result<Self, Broken> {
        let v5 = site.version.has_properties();
        if byte & if v5 { 0xC0 } else { 0xFC } != 0 {
            site.refuse(DecodeErrorKind::OptionsReserved)?;
        }
        // 3.1/3.8-3
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

/// The subscriptions of a SUBSCRIBE: bytes of a decoded packet, or a caller's slice.
pub type Subscriptions<'a> = List<'a, Subscription<'a>>;

impl<'a> Listed<'a> for Subscription<'a> {
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
}

impl<'a> Subscribe<'a> {
    const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::Subscribe);

    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = r.packet_id()?;
        let (properties, _) = r.properties(Self::PLACE)?;
        let filters = List::decode(r, Subscription::decode)?;
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
