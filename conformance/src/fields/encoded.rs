//! The bytes of fields.

use mqtt_proto::Version;
use mqtt_proto::packet::Packet;

use super::Fields;

impl Fields {
    /// The packet that says this, encoded by `mqtt-proto`.
    ///
    /// # Errors
    ///
    /// There is no such packet in this version: why, in words.
    pub fn encode(&self, version: Version) -> Result<Vec<u8>, String> {
        match self.with_packet(version, |packet| encode(packet, version)) {
            Ok(encoded) => encoded,
            Err(error) => Err(error.to_string()),
        }
    }
}

pub(crate) fn encode(packet: &Packet<'_>, version: Version) -> Result<Vec<u8>, String> {
    let len = packet
        .encoded_len(version)
        .map_err(|e| format!("cannot be encoded: {e}"))?;
    let mut buffer = vec![0; len];
    let written = packet
        .encode(version, &mut buffer)
        .map_err(|e| format!("cannot be encoded: {e}"))?
        .len();
    if written == len {
        Ok(buffer)
    } else {
        Err(format!("{len} bytes were promised, {written} written"))
    }
}
