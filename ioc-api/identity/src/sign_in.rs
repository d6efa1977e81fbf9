//! Signing in and out.
//!
//! A sign-in is three steps, so that nothing blocks while a guesser waits: [`Identity::claim_turn`] finds a place in
//! memory, [`Turn::wait`] waits for its turn, and [`Identity::sign_in`] works on the password. The disk does not decide: a right password starts a
//! session also while the records cannot be written, which then lives in memory until they can.
use super::{
    directory::reach,
    lock::lock,
    names,
    origins::Origin,
    password::Verified,
    people::{Identity, SESSIONS_PER_USER_MAX, caller},
    person::{IdentityError, SignInError, SignedIn},
    secret::{hash_secret, is_token, new_token},
    throttle::{Claim, Outcome},
    turn::{SignInFrom, Turn},
};
use ioc_model::share::Network;
use ioc_records::{Audit, Ends, SecretHash, SessionRow, UserRow, Write, Written};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::sleep;

/// How long a refusal for want of a place takes: whoever asks without pause should not ask more often for it.
const REFUSAL: Duration = Duration::from_secs(1);

impl Identity {
    /// Claims a turn to try a password of `name`, and waits for it. The caller goes on with [`Identity::sign_in`].
    ///
    /// Errors: [`SignInError`]; it is worth coming again.
    pub async fn turn(&self, name: &str, password: &str, from: &SignInFrom) -> Result<Turn, SignInError> {
        match self.claim_turn(name, password, from) {
            Ok(mut turn) => turn.wait().await.map(|()| turn),
            Err(refused) => {
                sleep(REFUSAL).await;
                Err(refused)
            }
        }
    }

    /// Reports whether somebody has signed in with the browser that holds this secret. Reads memory only.
    pub fn knows_browser(&self, secret: &str) -> bool {
        is_token(secret) && lock(&self.throttle).origins.knows_anyone(Origin::browser(secret))
    }

    /// Finds a place for a try, and its turn if that has come. Reads memory only.
    ///
    /// Errors: [`SignInError`] when too many wait.
    pub(super) fn claim_turn(
        &self,
        name: &str,
        password: &str,
        from: &SignInFrom,
    ) -> Result<Turn, SignInError> {
        let known = self.directory.load().find(name).map(|user| user.name.clone());
        let account = known.unwrap_or_else(|| names::canonical(name));
        let network = from.network;
        let browser = from.browser.clone().filter(|secret| is_token(secret));
        let turn = {
            let mut throttle = lock(&self.throttle);
            let ticket = throttle.ticket(&account, network, password);
            let claim = Claim { account, network, browser: browser.as_deref().map(Origin::browser), ticket };
            throttle.begin(claim, self.clock.now_ns())?
        };
        let mut turn = Turn {
            throttle: Arc::clone(&self.throttle),
            turn: Some(turn),
            begins: None,
            clock: self.clock,
            name: name.to_owned(),
            network,
            browser,
        };
        turn.has_come();
        Ok(turn)
    }

    /// Checks the password and starts a session. Takes tens of milliseconds of a core on purpose.
    ///
    /// Errors: [`SignInError`]; a refusal is audited.
    pub fn sign_in(&self, turn: Turn, password: &str, now_ms: i64) -> Result<SignedIn, SignInError> {
        let (name, network, browser) = (turn.name.clone(), turn.network, turn.browser.clone());
        match self.authenticate(turn, password)? {
            Some(user) => {
                self.renew_hash(&user, password, now_ms);
                Ok(self.start_session(&user.row, network, browser, now_ms)?)
            }
            None => {
                let reach = self.directory.load().find(&name).map(|user| reach(user)).unwrap_or_default();
                let first = lock(&self.refusals).note(&name, network, reach, now_ms);
                first.map(|audit| self.late.write(Write::Audit(audit)));
                Err(SignInError::Refused)
            }
        }
    }

    /// Uses up a turn; returns whose password it is.
    ///
    /// Errors: too many at once; that costs nothing.
    pub(super) fn authenticate(&self, turn: Turn, password: &str) -> Result<Option<Authentic>, SignInError> {
        let user = self.directory.load().find(&turn.name).cloned();
        let phc = user.as_ref().map_or(&self.decoy, |user| &user.password_hash);
        let whose = turn.turn.as_ref().map(|turn| turn.caller.clone());
        let verified = match self.passwords.verify(password, phc, whose.as_ref()) {
            Ok(verified) => verified,
            Err(error) => {
                turn.end(Outcome::Free);
                return Err(SignInError::Failed(error.into()));
            }
        };
        let user = user.filter(|user| verified.is_right() && !user.disabled);
        turn.end(if user.is_some() { Outcome::Free } else { Outcome::Spent });
        Ok(user.map(|row| Authentic { row, is_outdated: verified == Verified::Outdated }))
    }

    /// Hashes a password anew that was hashed in an older form. What does not work out is left to the next sign-in.
    fn renew_hash(&self, user: &Authentic, password: &str, now_ms: i64) {
        if !user.is_outdated {
            return;
        }
        let _one_at_a_time = lock(&self.changes);
        let directory = self.directory.load();
        let Some(current) = directory.get(&user.row.name) else { return };
        if current.password_hash != user.row.password_hash {
            return;
        }
        let Ok(password_hash) = self.passwords.hash(password) else { return };
        let renewed = UserRow { password_hash, ..UserRow::clone(current) };
        let audit = Audit::new(now_ms, "system", "user.rehash", &renewed.name).about(reach(&renewed));
        let audit = audit.with_detail("the same password, in the form that every keyboard writes");
        if self.records.update_user(&renewed, Ends::Nothing, &audit).is_ok() {
            let _ = self.reload_users();
        }
    }

    fn start_session(
        &self,
        user: &UserRow,
        network: Network,
        browser: Option<String>,
        now_ms: i64,
    ) -> Result<SignedIn, IdentityError> {
        let secret = new_token()?;
        let browser = browser.map_or_else(new_token, Ok)?;
        let expires_ms = now_ms.saturating_add(self.session_ttl_ms);
        let session = SessionRow {
            hash: hash_secret(&secret),
            user: user.name.clone(),
            created_ms: now_ms,
            expires_ms,
        };
        let origins = {
            let known = &mut lock(&self.throttle).origins;
            let origins = [Origin::browser(&browser), Origin::network(network)];
            origins.into_iter().filter_map(|origin| known.remember(&user.name, origin, now_ms)).collect()
        };
        let ended = {
            let mut sessions = lock(&self.sessions);
            sessions.retain(|_, session| session.expires_ms > now_ms);
            sessions.insert(session.hash, session.clone());
            end_oldest(&mut sessions, &user.name)
        };
        let audit = Audit::new(now_ms, &user.name, "session.start", &user.name).about(reach(user));
        let audit = audit.with_detail(format!("from {network}"));
        let written = self.late.write(Write::SessionStart { session, origins, audit });
        for hash in ended {
            let audit = Audit::new(now_ms, "system", "session.end", &user.name).about(reach(user));
            let audit = audit.with_detail("too many sign-ins at once");
            self.late.write(Write::SessionEnd { hash, audit });
        }
        let durable = written == Written::Now;
        Ok(SignedIn { secret, browser, caller: caller(user), expires_ms, durable })
    }

    /// Ends the session behind `secret`, if there is one.
    pub fn sign_out(&self, secret: &str, now_ms: i64) {
        let hash = hash_secret(secret);
        let session = lock(&self.sessions).remove(&hash);
        if let Some(session) = session {
            let reach = self.directory.load().get(&session.user).map(|user| reach(user)).unwrap_or_default();
            let audit = Audit::new(now_ms, &session.user, "session.end", &session.user).about(reach);
            self.late.write(Write::SessionEnd { hash, audit });
        }
    }

    /// Reports whether the session behind `secret` would survive a restart.
    pub fn is_session_durable(&self, secret: &str) -> bool {
        !self.late.holds_session(&hash_secret(secret))
    }
}

/// Someone whose password was right.
pub(super) struct Authentic {
    pub(super) row: Arc<UserRow>,
    is_outdated: bool,
}

/// Takes out the oldest sessions of `user` beyond [`SESSIONS_PER_USER_MAX`] and returns them.
pub(super) fn end_oldest(sessions: &mut HashMap<SecretHash, SessionRow>, user: &str) -> Vec<SecretHash> {
    let mut own: Vec<_> =
        sessions.values().filter(|session| session.user == user).map(|s| (s.created_ms, s.hash)).collect();
    own.sort_unstable();
    own.truncate(own.len().saturating_sub(SESSIONS_PER_USER_MAX));
    own.into_iter().filter_map(|(_, hash)| sessions.remove(&hash)).map(|session| session.hash).collect()
}
