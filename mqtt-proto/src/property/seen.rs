//! Which properties a list has had so far.

use super::{PropertyId, PropertyPlace};
use crate::{
    DecodeErrorKind,
    rules::{Broken, Site},
};

/// A set of property identifiers, one bit each; the largest is 0x2A.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Seen(u64);

impl Seen {
    /// Whether this property has been there.
    pub(crate) const fn has(self, id: PropertyId) -> bool {
        self.0 & bit(id) != 0
    }

    /// Notes one more property, which may stand there, and not twice unless it may be repeated.
    pub(crate) fn may_stand(
        &mut self,
        id: PropertyId,
        place: PropertyPlace,
        site: Site,
    ) -> Result<(), Broken> {
        if !id.is_allowed(place) {
            return Err(site.broken(DecodeErrorKind::PropertyNotAllowed(id)));
        }
        if self.has(id) && !id.may_repeat(place) {
            return Err(site.broken(DecodeErrorKind::PropertyRepeated(id)));
        }
        self.0 |= bit(id);
        Ok(())
    }

    /// Authentication Data stands only beside an Authentication Method (5.0 section 3.1.2.11.10).
    pub(crate) fn check_auth_data(self, site: Site) -> Result<(), Broken> {
        if self.has(PropertyId::AuthenticationData) && !self.has(PropertyId::AuthenticationMethod) {
            return Err(site.broken(DecodeErrorKind::AuthDataWithoutMethod));
        }
        Ok(())
    }
}

const fn bit(id: PropertyId) -> u64 {
    1 << id as u8
}
