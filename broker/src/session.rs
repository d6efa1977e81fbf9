//! Which clients are connected: takeover, presence, and the allowance of each credential.
use crate::{
    Limits, PresenceChange, Principal, PublishSink,
    allowance::Allowance,
    handle::Handle,
    meters::{BrokerMeters, CloseReason, add},
};
use ioc_model::{CredentialKind, presence::PresenceCause};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The sessions of all reactors. The lock is taken at CONNECT and at the end of a connection; presence is
/// told under it, so that it is told in order.
pub(crate) struct Sessions {
    limits: Limits,
    sink: Arc<dyn PublishSink>,
    meters: Arc<BrokerMeters>,
    state: Mutex<SessionsState>,
}

#[derive(Default)]
struct SessionsState {
    credentials: HashMap<Arc<str>, Credential>,
}

/// What is known of a credential that is connected, or was and still owes something.
struct Credential {
    allowance: Arc<Allowance>,
    /// Open connections, those being taken over included.
    connections: usize,
    /// The connection of each client id.
    clients: HashMap<Box<str>, Arc<Handle>>,
}

/// A credential has all the connections that it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

/// What a connection gets when it joins.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) allowance: Arc<Allowance>,
    /// The connection that had this client id; it has been told to end.
    pub(crate) previous: Option<Arc<Handle>>,
}

impl Sessions {
    pub(crate) fn new(limits: Limits, sink: Arc<dyn PublishSink>, meters: Arc<BrokerMeters>) -> Self {
        Self { limits, sink, meters, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, SessionsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry<'a>(&self, state: &'a mut SessionsState, credential: &Arc<str>) -> &'a mut Credential {
        state.credentials.entry(Arc::clone(credential)).or_insert_with(|| Credential {
            allowance: Arc::new(Allowance::new(&self.limits)),
            connections: 0,
            clients: HashMap::new(),
        })
    }

    /// Returns what a credential has taken of its rates.
    pub(crate) fn allowance(&self, credential: &Arc<str>) -> Arc<Allowance> {
        let mut state = self.state();
        Arc::clone(&self.entry(&mut state, credential).allowance)
    }

    /// Enters a client. Another connection of the same (credential, client id) is told to end.
    ///
    /// Errors: the credential has all connections that it may have.
    pub(crate) fn join(
        &self,
        principal: &Principal,
        client_id: &str,
        handle: &Arc<Handle>,
    ) -> Result<Joined, Crowded> {
        let mut state = self.state();
        let credential = self.entry(&mut state, &principal.credential);
        if credential.connections >= self.limits.connections_per_credential_max {
            return Err(Crowded);
        }
        let previous = credential.clients.insert(client_id.into(), Arc::clone(handle));
        if let Some(previous) = &previous {
            previous.close(CloseReason::TakenOver);
        }
        credential.connections += 1;
        if credential.connections == 1 {
            self.report_presence(principal, true, PresenceCause::Connected);
        }
        Ok(Joined { allowance: Arc::clone(&credential.allowance), previous })
    }

    /// Removes a client. With the last connection of its credential it goes offline for `cause`.
    pub(crate) fn leave(
        &self,
        principal: &Principal,
        client_id: &str,
        handle: &Arc<Handle>,
        cause: PresenceCause,
    ) {
        let mut state = self.state();
        let Some(credential) = state.credentials.get_mut(&principal.credential) else { return };
        if credential.clients.get(client_id).is_some_and(|current| Arc::ptr_eq(current, handle)) {
            credential.clients.remove(client_id);
        }
        credential.connections = credential.connections.saturating_sub(1);
        if credential.connections == 0 {
            self.report_presence(principal, false, cause);
        }
    }

    fn report_presence(&self, principal: &Principal, online: bool, cause: PresenceCause) {
        add(if online { &self.meters.online } else { &self.meters.offline }, 1);
        if principal.kind != CredentialKind::App {
            let change = PresenceChange { kind: principal.kind, online, cause };
            self.sink.presence(&principal.credential, change);
        }
    }

    /// Forgets credentials without a connection whose allowance is full again.
    pub(crate) fn forget(&self, now_ns: u64) {
        let keep =
            |credential: &Credential| credential.connections > 0 || !credential.allowance.is_full(now_ns);
        self.state().credentials.retain(|_, credential| keep(credential));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Busy, Incoming, Taken};

    #[derive(Default)]
    struct Told(Mutex<Vec<(String, bool, PresenceCause)>>);

    impl PublishSink for Told {
        fn try_publish(&self, _: Incoming<'_>) -> Result<Taken, Busy> {
            Err(Busy)
        }
        fn durable(&self) -> u64 {
            0
        }
        fn on_progress(&self, _: Box<dyn Fn() + Send + Sync>) {}
        fn presence(&self, credential: &str, change: PresenceChange) {
            self.0.lock().unwrap().push((credential.to_owned(), change.online, change.cause));
        }
    }

    fn limits() -> Limits {
        Limits { connections_per_credential_max: 2, ..Limits::default() }
    }

    #[test]
    fn a_takeover_is_no_change_of_presence() {
        let told = Arc::new(Told::default());
        let sink: Arc<dyn PublishSink> = told.clone();
        let sessions = Sessions::new(limits(), sink, Arc::default());
        let who = Principal { credential: "D1".into(), kind: CredentialKind::Device, generation: 1 };
        let (first, second) = (Arc::new(Handle::new()), Arc::new(Handle::new()));
        assert!(sessions.join(&who, "D1", &first).unwrap().previous.is_none());
        let previous = sessions.join(&who, "D1", &second).unwrap().previous.unwrap();
        assert!(Arc::ptr_eq(&previous, &first));
        assert_eq!(first.closing(), Some(CloseReason::TakenOver));
        sessions.leave(&who, "D1", &first, PresenceCause::Lost);
        assert_eq!(second.closing(), None);
        sessions.leave(&who, "D1", &second, PresenceCause::Disconnected);
        sessions.forget(1);
        assert!(sessions.state().credentials.is_empty());
        let expected = [
            ("D1".to_owned(), true, PresenceCause::Connected),
            ("D1".to_owned(), false, PresenceCause::Disconnected),
        ];
        assert_eq!(*told.0.lock().unwrap(), expected);
    }

    #[test]
    fn client_ids_of_different_credentials_never_meet() {
        let sessions = Sessions::new(limits(), Arc::new(Told::default()), Arc::default());
        let gateway =
            |name: &str| Principal { credential: name.into(), kind: CredentialKind::Gateway, generation: 1 };
        let handle = Arc::new(Handle::new());
        sessions.join(&gateway("A"), "same", &handle).unwrap();
        assert!(sessions.join(&gateway("B"), "same", &Arc::new(Handle::new())).unwrap().previous.is_none());
        assert_eq!(handle.closing(), None);
    }

    #[test]
    fn a_credential_that_has_its_share_gets_no_more_and_disturbs_nobody() {
        let sessions = Sessions::new(limits(), Arc::new(Told::default()), Arc::default());
        let gateway = Principal { credential: "A".into(), kind: CredentialKind::Gateway, generation: 1 };
        let first = Arc::new(Handle::new());
        sessions.join(&gateway, "1", &first).unwrap();
        sessions.join(&gateway, "2", &Arc::new(Handle::new())).unwrap();
        assert_eq!(sessions.join(&gateway, "1", &Arc::new(Handle::new())).unwrap_err(), Crowded);
        assert_eq!(first.closing(), None);
        let other = Principal { credential: "B".into(), ..gateway };
        assert!(sessions.join(&other, "1", &Arc::new(Handle::new())).is_ok());
    }
}
