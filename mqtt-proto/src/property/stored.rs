//! One property as bytes, for those who keep properties between packets: a broker, a session store. The way back is
//! `Properties::from_wire`.

use super::Property;
use crate::{
    Sender, Version,
    rules::Site,
    wire::{Count, Writer},
};

impl Property<'_> {
    /// Bytes of this property, with its identifier.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let mut count = Count::default();
        self.write(&mut count);
        count.0
    }

    /// Writes this property to the start of `out`, and gives back what was written; `None` if there is too little room,
    /// or a text has more bytes than any packet can hold.
    #[must_use]
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Option<&'o [u8]> {
        let site = Site {
            version: Version::V5,
            packet: None,
            from: Sender::Any,
            will: false,
        };
        self.check_fits(site).ok()?;
        let out = out.get_mut(..self.encoded_len())?;
        self.write(&mut Writer::new(out));
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::{PacketType, Properties, property::PropertyPlace};

    const PUBLISH: PropertyPlace = PropertyPlace::Packet(PacketType::Publish);

    #[test]
    fn what_is_kept_one_by_one_is_the_same_list() {
        let list = [
            Property::UserProperty("a", "1"),
            Property::ContentType("text"),
            Property::CorrelationData(&[0, 255]),
            Property::UserProperty("a", "2"),
        ];
        let mut wire = Vec::new();
        for property in &list {
            let mut out = [0; 32];
            let written = property.encode(&mut out).unwrap();
            assert_eq!(written.len(), property.encoded_len());
            wire.extend_from_slice(written);
        }
        let kept = Properties::from_wire(PUBLISH, &wire).unwrap();
        assert_eq!(kept, Properties::new(&list));
        for len in 1..wire.len() {
            if let Ok(shorter) = Properties::from_wire(PUBLISH, &wire[..len]) {
                assert!(shorter.iter().count() < list.len());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        assert!(Property::ContentType("text").encode(&mut [0; 6]).is_none());
    }
}
