//! Who is connected. A device is as long as at least one live connection speaks for it: its own, or a gateway's.
//!
//! Voices are counted here and nowhere else; what leaves are changes of their union, in the order in which they
//! happened. What could not be written yet is one entry per device, and what was undone meanwhile is no change.
//! Nothing is known after a start: whoever was connected before says so by connecting again.
use ioc_model::{CredentialKind, DeviceIndex, Presence, presence::PresenceCause};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
};

/// Steps back of our clock up to here are passed over: changes of a device stay in order. After longer ones its time is
/// what the clock says.
const STEP_BACK_MS: i64 = 10_000;

/// The devices that a connected credential speaks for, by credential.
pub type Voices = HashMap<Box<str>, BTreeSet<DeviceIndex>>;

/// Counts live connections by device and journals changes.
#[derive(Debug, Default)]
pub struct Connected {
    speakers: HashMap<Box<str>, Speaker>,
    devices: HashMap<DeviceIndex, State>,
    changed: BTreeMap<DeviceIndex, PresenceCause>,
}

#[derive(Debug)]
struct Speaker {
    kind: CredentialKind,
    devices: BTreeSet<DeviceIndex>,
}

#[derive(Debug, Default)]
struct State {
    /// How many connected credentials speak for the device.
    voices: u32,
    /// When it last came or went.
    at_ms: i64,
    /// What was written last.
    written: Option<bool>,
}

impl Connected {
    /// A credential that was not connected is now, and speaks for `devices`.
    pub fn connect(
        &mut self,
        credential: &str,
        kind: CredentialKind,
        devices: BTreeSet<DeviceIndex>,
        now_ms: i64,
    ) {
        self.add(&devices, now_ms);
        let before = self.speakers.insert(credential.into(), Speaker { kind, devices });
        self.remove(before.map(|speaker| speaker.devices).unwrap_or_default(), now_ms, PresenceCause::Ours);
    }

    /// The last connection of a credential is gone.
    pub fn disconnect(&mut self, credential: &str, now_ms: i64, cause: PresenceCause) {
        if let Some(speaker) = self.speakers.remove(credential) {
            self.remove(speaker.devices, now_ms, cause);
        }
    }

    /// Returns who is connected.
    pub fn speakers(&self) -> impl Iterator<Item = (&str, CredentialKind)> {
        self.speakers.iter().map(|(credential, speaker)| (&**credential, speaker.kind))
    }

    /// Takes what those who are connected speak for now; who is not in `voices` for nobody.
    pub fn relist(&mut self, mut voices: Voices, now_ms: i64) {
        let mut dropped = Vec::new();
        let mut added = Vec::new();
        for (credential, speaker) in &mut self.speakers {
            let now = voices.remove(credential).unwrap_or_default();
            let before = mem::replace(&mut speaker.devices, now);
            added.extend(speaker.devices.difference(&before).copied());
            dropped.extend(before.difference(&speaker.devices).copied());
        }
        // In this order nobody who changes gateways goes.
        self.add(&added, now_ms);
        self.remove(dropped, now_ms, PresenceCause::Ours);
    }

    /// Hands changes to `write` until it takes no more.
    pub fn flush(&mut self, mut write: impl FnMut(&Presence) -> bool) {
        while let Some(entry) = self.changed.first_entry() {
            let (device, cause) = (*entry.key(), *entry.get());
            let state = self.devices.entry(device).or_default();
            let online = state.voices > 0;
            let is_news = state.written != Some(online);
            if is_news && !write(&Presence { device, at_ms: state.at_ms, online, cause }) {
                return;
            }
            state.written = Some(online);
            entry.remove();
        }
    }

    fn add<'d>(&mut self, devices: impl IntoIterator<Item = &'d DeviceIndex>, now_ms: i64) {
        for device in devices {
            let state = self.devices.entry(*device).or_default();
            state.voices += 1;
            if state.voices == 1 {
                state.change(now_ms);
                self.changed.insert(*device, PresenceCause::Connected);
            }
        }
    }

    fn remove(&mut self, devices: impl IntoIterator<Item = DeviceIndex>, now_ms: i64, cause: PresenceCause) {
        for device in devices {
            let state = self.devices.entry(device).or_default();
            state.voices = state.voices.saturating_sub(1);
            if state.voices == 0 {
                state.change(now_ms);
                self.changed.insert(device, cause);
            }
        }
    }
}

impl State {
    fn change(&mut self, now_ms: i64) {
        let is_step_back = (1..=STEP_BACK_MS).contains(&self.at_ms.saturating_sub(now_ms));
        self.at_ms = if is_step_back { self.at_ms } else { now_ms };
    }
}

#[cfg(test)]
#[path = "presence_tests.rs"]
mod tests;
