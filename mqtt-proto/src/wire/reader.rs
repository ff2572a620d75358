//! A packet's bytes being read.

use super::field::{self, Fault, Parsed};
use crate::{
    DecodeError, DecodeErrorKind, PacketId, Properties, PropertyId, TopicFilter, TopicName,
    property::{PropertyPlace, Seen},
    rules::{Broken, Site},
};

/// What is left to read of a packet, and where that is.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) site: Site,
    /// Where `rest` ends, in bytes from the start of the packet.
    end: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from `skip` to the end of `packet`.
    pub(crate) fn new(site: Site, packet: &'a [u8], skip: usize) -> Self {
        Self {
            site,
            end: packet.len(),
            rest: packet.get(skip..).unwrap_or_default(),
        }
    }

    /// Bytes from the start of the packet.
    pub(crate) const fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(crate) const fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// The rule is broken there, if this version has it.
    pub(crate) fn refuse(&self, kind: DecodeErrorKind, offset: usize) -> Result<(), DecodeError> {
        self.site.refuse(kind).map_err(|broken| broken.at(offset))
    }

    /// The rule is broken there.
    pub(crate) fn broken(&self, kind: DecodeErrorKind, offset: usize) -> DecodeError {
        self.site.broken(kind).at(offset)
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.broken(DecodeErrorKind::LengthLong, self.offset()))
        }
    }

    #[inline]
    fn run<T>(&mut self, parse: impl FnOnce(&'a [u8]) -> Parsed<'a, T>) -> Result<T, DecodeError> {
        match parse(self.rest) {
            Ok((rest, value)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(error) => Err(self.fault(error, DecodeErrorKind::LengthShort)),
        }
    }

    /// `short` is the rule that a field breaks by running past the end.
    #[cold]
    fn fault(&self, error: nom::Err<Fault>, short: DecodeErrorKind) -> DecodeError {
        let (kind, offset) = match error {
            nom::Err::Error(fault) | nom::Err::Failure(fault) => match fault {
                Fault::Short => (short, self.offset()),
                Fault::Utf8 { rest } => (DecodeErrorKind::Utf8, self.end.saturating_sub(rest)),
                Fault::Nul { rest } => (DecodeErrorKind::Nul, self.end.saturating_sub(rest)),
                Fault::VarintTooLong => (DecodeErrorKind::VarintTooLong, self.offset()),
            },
            nom::Err::Incomplete(_) => (short, self.offset()),
        };
        self.broken(kind, offset)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.run(field::u8)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.run(field::u16)
    }

    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        self.run(field::binary)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        self.run(field::text)
    }

    fn varint(&mut self) -> Result<u32, DecodeError> {
        let at = self.offset();
        let (value, minimal) = self.run(field::varint)?;
        if !minimal {
            self.refuse(DecodeErrorKind::VarintNotMinimal, at)?;
        }
        Ok(value)
    }

    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        // 3.1/2.4-2
        let at = self.offset();
        let id = self.u16()?;
        PacketId::new(id).ok_or_else(|| self.broken(DecodeErrorKind::PacketIdZero, at))
    }

    /// A topic name, or nothing: whether an empty one may stand there is for the caller to say.
    pub(crate) fn topic_name(&mut self) -> Result<TopicName<'a>, DecodeError> {
        // 5/MQTT-3.3.2-1, 3.1.1/MQTT-3.3.2-1; of a will: 5/MQTT-3.1.3-11, 3.1.1/MQTT-3.1.3-10; 3.1/3.3-2, 3.1/A-3, 3.1/A-4
        let text = self.run(field::raw_text)?;
        if text.is_empty() {
            return Ok(TopicName::EMPTY);
        }
        TopicName::new(text).map_err(|e| {
            self.site
                .topic(e.kind(), false)
                .at(self.in_text(text, e.offset()))
        })
    }

    /// A topic filter; in 5.0 one that begins with `$share/` is a shared subscription.
    pub(crate) fn topic_filter(&mut self) -> Result<TopicFilter<'a>, DecodeError> {
        // 5/MQTT-3.8.3-1, 5/MQTT-3.10.3-1, 3.1.1/MQTT-3.8.3-1, 3.1.1/MQTT-3.10.3-1, 3.1/A-2
        let text = self.run(field::raw_text)?;
        TopicFilter::new(text)
            .map_err(|e| (self.site.topic(e.kind(), true), e.offset()))
            .and_then(|filter| {
                check_share(self.site, filter)?;
                Ok(filter)
            })
            .map_err(|(broken, at)| broken.at(self.in_text(text, at)))
    }

    /// The place of a byte of the text that was read last.
    fn in_text(&self, text: &str, at: usize) -> usize {
        self.offset().saturating_sub(text.len()).saturating_add(at)
    }

    /// Properties behind their length; none in a version that has none.
    pub(crate) fn properties(&mut self, place: PropertyPlace) -> Result<(Properties<'a>, Seen), DecodeError> {
        if !self.site.version.has_properties() {
            return Ok((Properties::EMPTY, Seen::default()));
        }
        let at = self.offset();
        if self.is_empty() {
            return Err(self.broken(DecodeErrorKind::PropertyLengthMissing, at));
        }
        let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if len == 0 {
            return Ok((Properties::EMPTY, Seen::default()));
        }
        let Ok(wire) = self.run(|rest| field::bytes(rest, len)) else {
            return Err(self.broken(DecodeErrorKind::LengthShort, at));
        };
        let seen = self.property_list(place, wire)?;
        Ok((Properties::checked(wire), seen))
    }

    /// Checks properties, which this reader has just passed over.
    pub(crate) fn property_list(&self, place: PropertyPlace, wire: &'a [u8]) -> Result<Seen, DecodeError> {
        let mut seen = Seen::default();
        let mut inner = Self {
            site: Site {
                will: matches!(place, PropertyPlace::Will),
                ..self.site
            },
            end: self.offset(),
            rest: wire,
        };
        while !inner.is_empty() {
            inner.property(place, &mut seen)?;
        }
        Ok(seen)
    }

    fn property(&mut self, place: PropertyPlace, seen: &mut Seen) -> Result<(), DecodeError> {
        let at = self.offset();
        let id = self.varint()?;
        let Some(id) = u8::try_from(id).ok().and_then(PropertyId::from_u8) else {
            return Err(self.broken(DecodeErrorKind::PropertyUnknown, at));
        };
        seen.may_stand(id, place, self.site)
            .map_err(|broken| broken.at(at))?;
        let value = match id.value(self.rest) {
            Ok((rest, (value, minimal))) => {
                if !minimal {
                    self.refuse(DecodeErrorKind::VarintNotMinimal, self.offset())?;
                }
                self.rest = rest;
                value
            }
            Err(error) => {
                let fault = self.fault(error, DecodeErrorKind::PropertyMalformed(id));
                // 5/MQTT-1.5.7-1
                let text = matches!(fault.kind, DecodeErrorKind::Utf8 | DecodeErrorKind::Nul);
                if text && matches!(id, PropertyId::UserProperty) {
                    return Err(self.broken(DecodeErrorKind::StringPair, fault.offset()));
                }
                // What runs past the end is the property, from its identifier on.
                let short = matches!(fault.kind, DecodeErrorKind::PropertyMalformed(_));
                return Err(if short { self.broken(fault.kind, at) } else { fault });
            }
        };
        value.check(self.site).map_err(|broken| broken.at(at))
    }
}

/// In 5.0 a filter that begins with `$share/` is `$share/group/filter` (`5/MQTT-4.8.2-1`, `5/MQTT-4.8.2-2`); gives
/// the broken rule and where in the filter.
pub(crate) fn check_share(site: Site, filter: TopicFilter<'_>) -> Result<(), (Broken, usize)> {
    match filter.check_share() {
        Err(e) if site.version.has_properties() => Err((site.topic(e.kind(), true), e.offset())),
        Ok(_) | Err(_) => Ok(()),
    }
}
