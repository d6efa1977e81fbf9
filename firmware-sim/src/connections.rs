//! Which MQTT connections the fleet has: cabinets, controllers and car parks speak for what hangs on them, every
//! other device for itself.
use crate::{fleet::SimDevice, kind::Kind};
use ioc_model::{CredentialKind, DeviceId};
use std::collections::HashMap;

/// One MQTT connection of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its credential: the device's own id, or `GW-` and the id of the device that is the gateway.
    pub credential_id: String,
    /// [`CredentialKind::Device`] or [`CredentialKind::Gateway`].
    pub kind: CredentialKind,
    /// The devices that it speaks for, as positions in the fleet.
    pub devices: Vec<usize>,
    /// Their ids, in the same order.
    pub device_ids: Vec<DeviceId>,
}

/// Returns the connections of a fleet. Shape: every device is in exactly one.
pub fn connections(fleet: &[SimDevice]) -> Vec<Connection> {
    let mut connections: Vec<Connection> = Vec::new();
    let mut of_gateway: HashMap<&DeviceId, usize> = HashMap::new();
    for (index, device) in fleet.iter().enumerate() {
        let through = device.parent.as_ref().and_then(|parent| of_gateway.get(&parent.id));
        if let Some(connection) = through.and_then(|slot| connections.get_mut(*slot)) {
            connection.devices.push(index);
            connection.device_ids.push(device.id.clone());
            continue;
        }
        let is_gateway =
            matches!(device.kind, Kind::LightingCabinet | Kind::SignalController | Kind::ParkingLot);
        if is_gateway {
            of_gateway.insert(&device.id, connections.len());
        }
        let (credential_id, kind) = match is_gateway {
            true => (format!("GW-{}", device.id), CredentialKind::Gateway),
            false => (device.id.to_string(), CredentialKind::Device),
        };
        connections.push(Connection {
            credential_id,
            kind,
            devices: vec![index],
            device_ids: vec![device.id.clone()],
        });
    }
    connections
}

/// Returns, for each device of the fleet, the position of its connection.
pub(crate) fn connection_of(connections: &[Connection], devices: usize) -> Vec<usize> {
    let mut of = vec![0; devices];
    for (slot, connection) in connections.iter().enumerate() {
        for device in &connection.devices {
            of[*device] = slot;
        }
    }
    of
}

/// How the caller lets connections sign in.
pub trait Credentials: Send + Sync {
    /// Returns user name and password of a connection's credential; `None` when it has none and must stay away.
    fn login(&self, credential_id: &str) -> Option<Login>;
}

/// What a connection signs in with.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// MQTT user name: the credential id.
    pub username: String,
    /// MQTT password: the credential's token.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Tokens by credential id.
impl Credentials for HashMap<String, String> {
    fn login(&self, credential_id: &str) -> Option<Login> {
        let password = self.get(credential_id)?.clone();
        Some(Login { username: credential_id.to_owned(), password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fleet;

    #[test]
    fn every_device_has_one_connection_and_there_are_a_few_hundred() {
        let fleet = fleet(1, 2000);
        let connections = connections(&fleet);
        let mut devices: Vec<usize> = connections.iter().flat_map(|c| c.devices.clone()).collect();
        devices.sort_unstable();
        assert_eq!(devices, (0..fleet.len()).collect::<Vec<_>>());
        assert!((100..500).contains(&connections.len()), "{}", connections.len());
        let of = connection_of(&connections, fleet.len());
        for (index, device) in fleet.iter().enumerate() {
            assert!(connections[of[index]].device_ids.contains(&device.id));
        }
    }

    #[test]
    fn lamps_speak_through_their_cabinet() {
        let fleet = fleet(1, 300);
        let connections = connections(&fleet);
        let gateway = connections.iter().find(|c| c.credential_id == "GW-CAB-001").unwrap();
        assert_eq!(gateway.kind, CredentialKind::Gateway);
        assert!(gateway.device_ids.len() > 3 && gateway.device_ids[0].as_str() == "CAB-001");
        let own = connections.iter().find(|c| c.credential_id == "WL-KIMLONG").unwrap();
        assert_eq!((own.kind, own.device_ids.len()), (CredentialKind::Device, 1));
    }
}
