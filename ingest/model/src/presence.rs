//! A device came online or went offline.
use crate::{
    DeviceIndex,
    wire::{Reader, WireError},
};

/// The cause of a change of presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PresenceCause {
    /// CONNECT accepted.
    Connected = 0,
    /// The device sent DISCONNECT.
    Disconnected = 1,
    /// The connection broke or its keep-alive ran out.
    Lost = 2,
    /// We stopped or started; the device did nothing.
    Ours = 3,
}

/// The state of a device's connection from `at_ms` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// The credential that is connected or not.
    pub device: DeviceIndex,
    /// When, by our clock.
    pub at_ms: i64,
    /// Connected or not.
    pub online: bool,
    /// The cause of the change.
    pub cause: PresenceCause,
}

impl Presence {
    /// Appends the binary form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.device.0.to_le_bytes());
        out.extend_from_slice(&self.at_ms.to_le_bytes());
        out.push(u8::from(self.online));
        out.push(self.cause as u8);
    }

    /// Reads the binary form.
    ///
    /// Errors: [`WireError`] when `bytes` is not what [`Presence::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let presence = Self {
            device: DeviceIndex(reader.u32()?),
            at_ms: reader.i64()?,
            online: reader.u8()? != 0,
            cause: match reader.u8()? {
                0 => PresenceCause::Connected,
                1 => PresenceCause::Disconnected,
                2 => PresenceCause::Lost,
                3 => PresenceCause::Ours,
                _ => return Err(WireError),
            },
        };
        reader.end()?;
        Ok(presence)
    }
}
