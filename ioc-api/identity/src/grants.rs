//! MQTT credentials in memory: who may connect, and for which devices each speaks.
//!
//! Readers load a snapshot and never wait. A change copies the map (20,000 credentials: about a millisecond),
//! so many are added in one step.
use super::secret::TokenKey;
use arc_swap::ArcSwap;
use ioc_model::CredentialKind;
use ioc_records::{CredentialRow, SecretHash};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Tells which devices are registered under a gateway.
pub trait GatewayMembership: Send + Sync + 'static {
    /// Reports whether `device` is registered under `gateway`: as its parent, or by the label `gateway`.
    fn is_under(&self, device: &str, gateway: &str) -> bool;

    /// Returns how many devices are registered under `gateway`.
    fn count_under(&self, gateway: &str) -> usize;
}

/// A credential whose token was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialPrincipal {
    /// Id of the credential.
    pub credential: Arc<str>,
    /// What the credential may be used for.
    pub kind: CredentialKind,
    /// Which token of the credential was used; grows when it is rotated.
    pub generation: u64,
}

/// Why a credential is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialRefusal {
    /// Unknown credential or wrong token.
    BadCredentials,
    /// The token is right, and the credential is disabled.
    Disabled,
}

#[derive(Debug)]
struct Grant {
    name: Arc<str>,
    kind: CredentialKind,
    token_hash: SecretHash,
    generation: u64,
    devices: HashSet<Box<str>>,
    disabled: bool,
}

/// Every MQTT credential, as the device edge asks about it.
pub struct Grants {
    key: TokenKey,
    membership: Arc<dyn GatewayMembership>,
    grants: ArcSwap<HashMap<Arc<str>, Arc<Grant>>>,
}

impl Grants {
    /// Starts from what the records hold.
    pub fn new(key: TokenKey, membership: Arc<dyn GatewayMembership>, credentials: &[CredentialRow]) -> Self {
        let grants = Self { key, membership, grants: ArcSwap::default() };
        grants.put(credentials);
        grants
    }

    /// Adds or replaces credentials; effective for the next CONNECT, and within a second for those connected.
    pub fn put(&self, credentials: &[CredentialRow]) {
        self.grants.rcu(|current| {
            let mut next = HashMap::clone(current);
            next.extend(credentials.iter().map(|row| {
                let grant = Grant::new(row);
                (Arc::clone(&grant.name), Arc::new(grant))
            }));
            next
        });
    }

    /// Reports whether a credential exists.
    pub fn contains(&self, credential: &str) -> bool {
        self.grants.load().contains_key(credential)
    }

    /// Finds the first of `ids` that differs only by capitals from a credential or from one of `ids` before it. Returns
    /// both.
    pub fn lookalike<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Option<(String, String)> {
        let grants = self.grants.load();
        let mut known: HashMap<String, &str> =
            grants.keys().map(|name| (name.to_ascii_lowercase(), &**name)).collect();
        for id in ids {
            let other = *known.entry(id.to_ascii_lowercase()).or_insert(id);
            if other != id {
                return Some((id.to_owned(), other.to_owned()));
            }
        }
        None
    }

    /// Returns the devices that a gateway's credential names; it also speaks for those registered under it.
    pub fn listed(&self, credential: &str) -> Vec<Box<str>> {
        let grants = self.grants.load();
        grants.get(credential).map(|grant| grant.devices.iter().cloned().collect()).unwrap_or_default()
    }

    /// Derives the token of a simulated credential; see [`TokenKey::derive`].
    pub fn derive(&self, credential: &str) -> String {
        self.key.derive(credential)
    }

    /// Hashes a token for its row.
    pub fn hash(&self, token: &str) -> SecretHash {
        self.key.hash(token.as_bytes())
    }

    /// Returns how many credentials there are.
    pub fn len(&self) -> usize {
        self.grants.load().len()
    }

    /// Reports whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Grant {
    fn new(row: &CredentialRow) -> Self {
        Self {
            name: row.id.as_str().into(),
            kind: row.kind,
            token_hash: row.token_hash,
            generation: row.generation,
            devices: row.devices.iter().map(|id| id.as_str().into()).collect(),
            disabled: row.disabled,
        }
    }
}

impl Grants {
    /// Checks a token by its keyed hash.
    ///
    /// Errors: [`CredentialRefusal`].
    pub fn authenticate(
        &self,
        credential: &str,
        token: &[u8],
    ) -> Result<CredentialPrincipal, CredentialRefusal> {
        let grants = self.grants.load();
        let Some(grant) = grants.get(credential) else {
            // The same work as for a known one, so that the time does not tell which ids exist.
            let _ = self.key.verify(token, &SecretHash::default());
            return Err(CredentialRefusal::BadCredentials);
        };
        match (self.key.verify(token, &grant.token_hash), grant.disabled) {
            (false, _) => Err(CredentialRefusal::BadCredentials),
            (true, true) => Err(CredentialRefusal::Disabled),
            (true, false) => Ok(CredentialPrincipal {
                credential: Arc::clone(&grant.name),
                kind: grant.kind,
                generation: grant.generation,
            }),
        }
    }

    /// Reports whether the credential still exists, may connect, and has the token of this generation.
    pub fn still_valid(&self, credential: &str, generation: u64) -> bool {
        let grants = self.grants.load();
        let grant = grants.get(credential);
        grant.is_some_and(|grant| !grant.disabled && grant.generation == generation)
    }

    /// Returns for how many devices a credential speaks; 1 for those that are no gateway.
    pub fn devices(&self, credential: &str, kind: CredentialKind) -> u32 {
        if kind != CredentialKind::Gateway {
            return 1;
        }
        let listed = self.grants.load().get(credential).map_or(0, |grant| grant.devices.len());
        // One that is listed and registered under it counts twice: it is a share, not a census.
        u32::try_from(listed + self.membership.count_under(credential)).unwrap_or(u32::MAX)
    }

    /// Reports whether a credential may publish as `device` and receive its commands: the device itself, or a gateway
    /// that lists it.
    pub fn speaks_for(&self, credential: &str, kind: CredentialKind, device: &str) -> bool {
        match kind {
            CredentialKind::Device => *credential == *device,
            CredentialKind::App => false,
            CredentialKind::Gateway => {
                let listed = |grant: &Arc<Grant>| grant.devices.contains(device);
                *credential == *device
                    || self.grants.load().get(credential).is_some_and(listed)
                    || self.membership.is_under(device, credential)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree;
    impl GatewayMembership for Tree {
        fn is_under(&self, device: &str, gateway: &str) -> bool {
            (device, gateway) == ("LUM-1", "GW-1")
        }
        fn count_under(&self, gateway: &str) -> usize {
            usize::from(gateway == "GW-1")
        }
    }

    fn row(grants: &Grants, id: &str, kind: CredentialKind, token: &str, generation: u64) -> CredentialRow {
        CredentialRow {
            id: id.parse().unwrap(),
            kind,
            token_hash: grants.hash(token),
            generation,
            devices: vec!["BAY-9".parse().unwrap()],
            disabled: false,
            created_ms: 0,
        }
    }

    fn grants() -> Grants {
        let grants = Grants::new(TokenKey::new(&[7; 32]), Arc::new(Tree), &[]);
        grants.put(&[
            row(&grants, "LUM-1", CredentialKind::Device, "lamp", 1),
            row(&grants, "GW-1", CredentialKind::Gateway, "gate", 1),
            row(&grants, "wall-app", CredentialKind::App, "app", 1),
        ]);
        grants
    }

    #[test]
    fn only_the_right_token_of_a_known_credential_gets_in() {
        let grants = grants();
        let principal = grants.authenticate("LUM-1", b"lamp").unwrap();
        assert_eq!((&*principal.credential, principal.kind), ("LUM-1", CredentialKind::Device));
        for (id, token) in [("LUM-1", "gate"), ("LUM-1", ""), ("LUM-2", "lamp"), ("", "")] {
            assert_eq!(
                grants.authenticate(id, token.as_bytes()),
                Err(CredentialRefusal::BadCredentials),
                "{id} {token}"
            );
        }
    }

    #[test]
    fn rotation_and_disabling_end_what_was_valid() {
        let grants = grants();
        let principal = grants.authenticate("LUM-1", b"lamp").unwrap();
        assert!(grants.still_valid(&principal.credential, principal.generation));
        grants.put(&[row(&grants, "LUM-1", CredentialKind::Device, "new", 2)]);
        assert!(!grants.still_valid(&principal.credential, principal.generation));
        assert_eq!(grants.authenticate("LUM-1", b"lamp"), Err(CredentialRefusal::BadCredentials));
        let disabled =
            CredentialRow { disabled: true, ..row(&grants, "LUM-1", CredentialKind::Device, "new", 2) };
        grants.put(&[disabled]);
        assert_eq!(grants.authenticate("LUM-1", b"new"), Err(CredentialRefusal::Disabled));
    }

    #[test]
    fn each_kind_speaks_for_its_own() {
        let grants = grants();
        let principal = |id: &str, token: &str| grants.authenticate(id, token.as_bytes()).unwrap();
        let (lamp, gate, app) =
            (principal("LUM-1", "lamp"), principal("GW-1", "gate"), principal("wall-app", "app"));
        let cases = [
            (&lamp, "LUM-1", true),
            (&lamp, "BAY-9", false),
            (&lamp, "LUM-2", false),
            (&gate, "GW-1", true),
            (&gate, "LUM-1", true),
            (&gate, "BAY-9", true),
            (&gate, "LUM-2", false),
            (&app, "wall-app", false),
            (&app, "LUM-1", false),
        ];
        for (who, device, expected) in cases {
            assert_eq!(
                grants.speaks_for(&who.credential, who.kind, device),
                expected,
                "{} {device}",
                who.credential
            );
        }
    }
}
