//! People, their sign-ins and the screens: in memory for every request, in the records for the next start.
use super::{
    Caller, Passwords, Role, Via,
    person::{IdentityError, NewUser, SignInError, SignedIn, UserChange},
    secret::{hash_secret, new_token},
    throttle::Throttle,
};
use crate::records::{Audit, DisplayTokenRow, Records, RecordsError, SecretHash, SessionRow, UserRow};
use arc_swap::ArcSwap;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Most sign-ins of one person at once; the oldest ends.
pub const SESSIONS_PER_USER_MAX: usize = 32;
/// Longest user name, in bytes.
pub const USER_NAME_LEN_MAX: usize = 64;
/// Most people; well above what a city's center has, and what is kept in memory is bounded with it.
pub const USERS_MAX: usize = 10_000;
/// Most display tokens.
pub const DISPLAY_TOKENS_MAX: usize = 1000;

/// People, sign-ins and display tokens.
///
/// [`Identity::caller`] reads memory only and may be called from async tasks; everything else blocks on the
/// disk or on hashing.
pub struct Identity {
    records: Records,
    session_ttl_ms: i64,
    users: ArcSwap<HashMap<String, Arc<UserRow>>>,
    displays: ArcSwap<HashMap<SecretHash, Arc<str>>>,
    /// Tiny critical sections; never held while the disk works.
    sessions: Mutex<HashMap<SecretHash, SessionRow>>,
    /// One change of people at a time, so that memory and records agree.
    changes: Mutex<()>,
    throttle: Mutex<Throttle>,
    passwords: Passwords,
    /// Hash of nobody's password: an unknown name takes as long as a known one.
    decoy: String,
}

impl Identity {
    /// Loads everyone from the records.
    ///
    /// Errors: what the records say.
    pub fn open(records: Records, session_ttl: Duration, now_ms: i64) -> Result<Self, IdentityError> {
        let passwords = Passwords::default();
        let decoy = passwords.hash(&new_token()?)?;
        let sessions = records.sessions(now_ms)?.into_iter().map(|session| (session.hash, session)).collect();
        let identity = Self {
            records,
            session_ttl_ms: i64::try_from(session_ttl.as_millis()).unwrap_or(i64::MAX),
            users: ArcSwap::default(),
            displays: ArcSwap::default(),
            sessions: Mutex::new(sessions),
            changes: Mutex::new(()),
            throttle: Mutex::default(),
            passwords,
            decoy,
        };
        identity.reload_users()?;
        identity.reload_displays()?;
        Ok(identity)
    }

    /// Finds who is behind a session id or display token; `None` when it is neither, or has ended.
    pub fn caller(&self, secret: &str, now_ms: i64) -> Option<Caller> {
        let hash = hash_secret(secret);
        if let Some(name) = self.displays.load().get(&hash) {
            return Some(Caller::display(name));
        }
        let (user, expires_ms) = {
            let sessions = lock(&self.sessions);
            let session = sessions.get(&hash)?;
            (session.user.clone(), session.expires_ms)
        };
        let users = self.users.load();
        let user = users.get(&user).filter(|user| !user.disabled && expires_ms > now_ms)?;
        Some(caller(user))
    }

    /// Returns when the session behind `secret` ends, in milliseconds since the epoch.
    pub fn session_expires_ms(&self, secret: &str) -> Option<i64> {
        lock(&self.sessions).get(&hash_secret(secret)).map(|session| session.expires_ms)
    }

    /// Says whether this is the person's password. Takes tens of milliseconds of a core on purpose.
    ///
    /// Errors: the stored password cannot be read.
    pub fn has_password(&self, name: &str, password: &str) -> Result<bool, IdentityError> {
        match self.users.load().get(name) {
            Some(user) => Ok(self.passwords.verify(password, &user.password_hash)?),
            None => Ok(false),
        }
    }

    /// Checks name and password and starts a session. Takes tens of milliseconds of a core on purpose.
    ///
    /// Errors: [`SignInError`]; a refusal is audited.
    pub fn sign_in(
        &self,
        name: &str,
        password: &str,
        address: IpAddr,
        now_ms: i64,
    ) -> Result<SignedIn, SignInError> {
        if let Some(wait) = lock(&self.throttle).wait(name, address, now_ms) {
            return Err(SignInError::Throttled { wait });
        }
        let user = self.users.load().get(name).cloned();
        let phc = user.as_ref().map_or(&self.decoy, |user| &user.password_hash);
        let verified = self.passwords.verify(password, phc).map_err(IdentityError::from)?;
        let Some(user) = user.filter(|user| verified && !user.disabled) else {
            lock(&self.throttle).failed(name, address, now_ms);
            let who: String = name.chars().take(USER_NAME_LEN_MAX).collect();
            let audit = Audit::new(now_ms, "anonymous", "session.refused", who);
            self.records
                .append_audit(&audit.with_detail(format!("from {address}")))
                .map_err(IdentityError::from)?;
            return Err(SignInError::Refused);
        };
        lock(&self.throttle).succeeded(name, address);
        Ok(self.start_session(&user, address, now_ms)?)
    }

    fn start_session(&self, user: &UserRow, address: IpAddr, now_ms: i64) -> Result<SignedIn, IdentityError> {
        let secret = new_token()?;
        let expires_ms = now_ms.saturating_add(self.session_ttl_ms);
        let session = SessionRow {
            hash: hash_secret(&secret),
            user: user.name.clone(),
            created_ms: now_ms,
            expires_ms,
        };
        let audit = Audit::new(now_ms, &user.name, "session.start", &user.name);
        self.records.insert_session(&session, &audit.with_detail(format!("from {address}")))?;
        let ended = {
            let mut sessions = lock(&self.sessions);
            sessions.retain(|_, session| session.expires_ms > now_ms);
            sessions.insert(session.hash, session);
            end_oldest(&mut sessions, &user.name)
        };
        for hash in ended {
            let audit = Audit::new(now_ms, "system", "session.end", &user.name);
            self.records.delete_session(&hash, &audit.with_detail("too many sign-ins at once"))?;
        }
        Ok(SignedIn { secret, caller: caller(user), expires_ms })
    }

    /// Ends the session behind `secret`, if there is one.
    ///
    /// Errors: what the records say.
    pub fn sign_out(&self, secret: &str, now_ms: i64) -> Result<(), IdentityError> {
        let hash = hash_secret(secret);
        let session = lock(&self.sessions).remove(&hash);
        if let Some(session) = session {
            let audit = Audit::new(now_ms, &session.user, "session.end", &session.user);
            self.records.delete_session(&hash, &audit)?;
        }
        Ok(())
    }

    /// Returns everyone, by name.
    pub fn users(&self) -> Vec<Arc<UserRow>> {
        let mut users: Vec<_> = self.users.load().values().cloned().collect();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users
    }

    /// Adds a person.
    ///
    /// Errors: a name that is taken or cannot be one, a password that is too short.
    pub fn add_user(&self, new: NewUser, actor: &str, now_ms: i64) -> Result<Arc<UserRow>, IdentityError> {
        check_name(&new.name)?;
        let _one_at_a_time = lock(&self.changes);
        if self.users.load().len() >= USERS_MAX {
            return Err(IdentityError::TooMany { what: "users", max: USERS_MAX });
        }
        let NewUser { name, role, domains, wards, password } = new;
        let password_hash = self.passwords.hash(&password)?;
        let user = UserRow { name, role, domains, wards, password_hash, disabled: false, created_ms: now_ms };
        let audit = Audit::new(now_ms, actor, "user.add", &user.name).with_detail(describe(&user));
        self.records.insert_user(&user, &audit)?;
        self.reload_users()?;
        Ok(Arc::new(user))
    }

    /// Changes a person.
    ///
    /// Errors: someone who does not exist, the only admin, a password that is too short.
    pub fn change_user(
        &self,
        name: &str,
        change: UserChange,
        actor: &str,
        now_ms: i64,
    ) -> Result<Arc<UserRow>, IdentityError> {
        let _one_at_a_time = lock(&self.changes);
        let users = self.users.load_full();
        let missing = || RecordsError::Missing { what: "user", name: name.to_owned() };
        let mut user = UserRow::clone(users.get(name).ok_or_else(missing)?);
        let ends_sessions = change.password.is_some() || change.disabled == Some(true);
        let detail = self.apply(&mut user, change)?;
        let is_admin = |user: &UserRow| user.role == Role::Admin && !user.disabled;
        if !is_admin(&user) && !users.values().any(|other| other.name != name && is_admin(other)) {
            return Err(IdentityError::LastAdmin(name.to_owned()));
        }
        let audit = Audit::new(now_ms, actor, "user.change", name).with_detail(detail);
        self.records.update_user(&user, &audit)?;
        self.reload_users()?;
        if ends_sessions {
            lock(&self.sessions).retain(|_, session| session.user != name);
            self.records.delete_sessions_of(name)?;
        }
        Ok(Arc::new(user))
    }

    /// Applies a change to a row and returns what the audit trail says about it.
    fn apply(&self, user: &mut UserRow, change: UserChange) -> Result<String, IdentityError> {
        let UserChange { role, domains, wards, password, disabled } = change;
        user.role = role.unwrap_or(user.role);
        user.domains = domains.unwrap_or_else(|| user.domains.clone());
        user.wards = wards.unwrap_or_else(|| user.wards.clone());
        user.disabled = disabled.unwrap_or(user.disabled);
        let mut detail = describe(user);
        if let Some(password) = password {
            user.password_hash = self.passwords.hash(&password)?;
            detail.push_str(", new password");
        }
        Ok(detail)
    }

    /// Returns the display tokens, by name.
    ///
    /// Errors: what the records say.
    pub fn display_tokens(&self) -> Result<Vec<DisplayTokenRow>, IdentityError> {
        Ok(self.records.display_tokens()?)
    }

    /// Makes a display token and returns it; it cannot be read again.
    ///
    /// Errors: a name that is taken or cannot be one.
    pub fn add_display_token(&self, name: &str, actor: &str, now_ms: i64) -> Result<String, IdentityError> {
        let token = new_token()?;
        self.keep_display_token(name, &token, actor, now_ms)?;
        Ok(token)
    }

    /// Makes a display token that is already known to whoever uses it.
    ///
    /// Errors: a name that is taken or cannot be one.
    pub fn keep_display_token(
        &self,
        name: &str,
        token: &str,
        actor: &str,
        now_ms: i64,
    ) -> Result<(), IdentityError> {
        check_name(name)?;
        let _one_at_a_time = lock(&self.changes);
        if self.displays.load().len() >= DISPLAY_TOKENS_MAX {
            return Err(IdentityError::TooMany { what: "display tokens", max: DISPLAY_TOKENS_MAX });
        }
        let (hash, created_by) = (hash_secret(token), actor.to_owned());
        let row = DisplayTokenRow { name: name.to_owned(), hash, created_by, created_ms: now_ms };
        self.records.insert_display_token(&row, &Audit::new(now_ms, actor, "display-token.add", name))?;
        self.reload_displays()
    }

    /// Removes a display token; the screens that use it are told to sign in.
    ///
    /// Errors: a token that does not exist.
    pub fn remove_display_token(&self, name: &str, actor: &str, now_ms: i64) -> Result<(), IdentityError> {
        let _one_at_a_time = lock(&self.changes);
        self.records.delete_display_token(name, &Audit::new(now_ms, actor, "display-token.remove", name))?;
        self.reload_displays()
    }

    fn reload_users(&self) -> Result<(), IdentityError> {
        let users = self.records.users()?.into_iter().map(|user| (user.name.clone(), Arc::new(user)));
        self.users.store(Arc::new(users.collect()));
        Ok(())
    }

    fn reload_displays(&self) -> Result<(), IdentityError> {
        let tokens = self.records.display_tokens()?.into_iter().map(|token| (token.hash, token.name.into()));
        self.displays.store(Arc::new(tokens.collect()));
        Ok(())
    }
}

/// Takes out the oldest sessions of `user` beyond [`SESSIONS_PER_USER_MAX`] and returns them.
fn end_oldest(sessions: &mut HashMap<SecretHash, SessionRow>, user: &str) -> Vec<SecretHash> {
    let mut own: Vec<_> =
        sessions.values().filter(|session| session.user == user).map(|s| (s.created_ms, s.hash)).collect();
    own.sort_unstable();
    own.truncate(own.len().saturating_sub(SESSIONS_PER_USER_MAX));
    own.into_iter().filter_map(|(_, hash)| sessions.remove(&hash)).map(|session| session.hash).collect()
}

fn caller(user: &UserRow) -> Caller {
    Caller {
        name: user.name.as_str().into(),
        role: user.role,
        domains: user.domains.as_slice().into(),
        wards: user.wards.as_slice().into(),
        via: Via::Session,
    }
}

fn describe(user: &UserRow) -> String {
    let mut text = format!("role {}", user.role);
    if !user.domains.is_empty() {
        let names: Vec<&str> = user.domains.iter().map(|domain| domain.as_str()).collect();
        text.push_str(&format!(", domains {}", names.join(" ")));
    }
    if !user.wards.is_empty() {
        text.push_str(&format!(", wards {}", user.wards.join(" ")));
    }
    if user.disabled {
        text.push_str(", disabled");
    }
    text
}

fn check_name(name: &str) -> Result<(), IdentityError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte);
    match (1..=USER_NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(fits) {
        true => Ok(()),
        false => Err(IdentityError::Name(name.chars().take(80).collect())),
    }
}

/// Takes a lock whose holder cannot have left anything half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "people_tests.rs"]
mod tests;
