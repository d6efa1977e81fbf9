//! People and their sessions: in memory for every request, in the records for the next start.
use super::{
    Passwords, Principal, Role, Via,
    directory::{Directory, reach},
    lock::lock,
    names,
    origins::ORIGIN_KEEP_MS,
    person::{IdentityError, NewUser, SignInError, UserChange},
    quality,
    refusals::Refusals,
    secret::{hash_secret, new_token},
    throttle::LoginThrottle,
    turn::{Clock, Turn},
};
use arc_swap::ArcSwap;
use ioc_model::{Catalogue, Domain};
use ioc_records::{Audit, Ends, LateWrites, Records, RecordsError, SecretHash, SessionRow, UserRow, Write};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Most sign-ins of one person at once; the oldest ends.
pub const SESSIONS_PER_USER_MAX: usize = 32;
/// Most people; well above what a city's center has, and what is kept in memory is bounded with it.
pub const USERS_MAX: usize = 10_000;

/// People, sign-ins and display tokens.
///
/// [`Identity::caller`] and [`Identity::turn`] read memory only and may be called from async tasks; everything else
/// blocks on the disk or on hashing.
pub struct Identity {
    pub(super) records: Records,
    pub(super) late: Arc<LateWrites>,
    pub(super) session_ttl_ms: i64,
    /// Names of the city's wards by their code; `None` where nothing is known of the city.
    wards: Option<HashMap<String, String>>,
    /// What domains there are; `None` where nothing is known of the city.
    catalogue: Option<Arc<Catalogue>>,
    pub(super) directory: ArcSwap<Directory>,
    pub(super) displays: ArcSwap<HashMap<SecretHash, Arc<str>>>,
    /// Tiny critical sections; never held while the disk works.
    pub(super) sessions: Mutex<HashMap<SecretHash, SessionRow>>,
    /// One change of people at a time, so that memory and records agree.
    pub(super) changes: Mutex<()>,
    /// Tiny critical sections.
    pub(super) throttle: Arc<Mutex<LoginThrottle>>,
    pub(super) refusals: Mutex<Refusals>,
    pub(super) passwords: Passwords,
    /// Hash of nobody's password: an unknown name takes as long as a known one.
    pub(super) decoy: String,
    pub(super) clock: Clock,
}

impl Identity {
    /// Loads everyone from the records. `late` writes what must not wait for the disk.
    ///
    /// Errors: what the records say.
    pub fn open(
        records: Records,
        late: Arc<LateWrites>,
        session_ttl: Duration,
        now_ms: i64,
    ) -> Result<Self, IdentityError> {
        let passwords = Passwords::default();
        let decoy = passwords.hash(&new_token()?)?;
        let sessions = records.sessions(now_ms)?.into_iter().map(|session| (session.hash, session)).collect();
        let mut throttle = LoginThrottle::default();
        throttle.origins.load(records.origins(now_ms.saturating_sub(ORIGIN_KEEP_MS))?);
        let identity = Self {
            records,
            late,
            session_ttl_ms: i64::try_from(session_ttl.as_millis()).unwrap_or(i64::MAX),
            wards: None,
            catalogue: None,
            directory: ArcSwap::default(),
            displays: ArcSwap::default(),
            sessions: Mutex::new(sessions),
            changes: Mutex::new(()),
            throttle: Arc::new(Mutex::new(throttle)),
            refusals: Mutex::default(),
            passwords,
            decoy,
            clock: Clock::new(),
        };
        identity.reload_users()?;
        identity.reload_displays()?;
        Ok(identity)
    }

    /// Takes code and name of every ward: people of other wards are refused from now on.
    #[must_use]
    pub fn with_wards(mut self, wards: impl IntoIterator<Item = (String, String)>) -> Self {
        self.wards = Some(wards.into_iter().collect());
        self
    }

    /// Refuses people of domains that the city does not have.
    #[must_use]
    pub fn with_catalogue(mut self, catalogue: Arc<Catalogue>) -> Self {
        self.catalogue = Some(catalogue);
        self
    }

    /// Finds who is behind a session id or display token; `None` when it is neither, or has ended.
    pub fn caller(&self, secret: &str, now_ms: i64) -> Option<Principal> {
        let hash = hash_secret(secret);
        if let Some(name) = self.displays.load().get(&hash) {
            return Some(Principal::display(name));
        }
        let (user, expires_ms) = {
            let sessions = lock(&self.sessions);
            let session = sessions.get(&hash)?;
            (session.user.clone(), session.expires_ms)
        };
        let directory = self.directory.load();
        let user = directory.get(&user).filter(|user| !user.disabled && expires_ms > now_ms)?;
        Some(caller(user))
    }

    /// Returns when the session behind `secret` ends, in milliseconds since the epoch.
    pub fn session_expires_ms(&self, secret: &str) -> Option<i64> {
        lock(&self.sessions).get(&hash_secret(secret)).map(|session| session.expires_ms)
    }

    /// Reports whether this is the person's password. Takes tens of milliseconds of a core on purpose.
    ///
    /// Errors: the stored password cannot be read.
    pub fn has_password(&self, name: &str, password: &str) -> Result<bool, IdentityError> {
        match self.directory.load().find(name) {
            Some(user) => Ok(self.passwords.verify(password, &user.password_hash, None)?.is_right()),
            None => Ok(false),
        }
    }

    /// Returns everyone, by name.
    pub fn users(&self) -> Vec<Arc<UserRow>> {
        let mut users: Vec<_> = self.directory.load().rows().cloned().collect();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users
    }

    /// Finds the person whose name this is, however it is typed.
    pub fn find(&self, name: &str) -> Option<Arc<UserRow>> {
        self.directory.load().find(name).cloned()
    }

    /// Adds a person.
    ///
    /// Errors: a name that is taken or cannot be one, a password that is easy to guess, a ward that does not exist.
    pub fn add_user(&self, new: NewUser, actor: &str, now_ms: i64) -> Result<Arc<UserRow>, IdentityError> {
        let NewUser { name, role, domains, wards, password } = new;
        let name = names::new_name(&name)?;
        let (domains, wards) = (self.known_domains(domains)?, self.known_wards(wards)?);
        quality::judge(&password, &name, self.city_words())?;
        let _one_at_a_time = lock(&self.changes);
        let directory = self.directory.load();
        if directory.rows().len() >= USERS_MAX {
            return Err(IdentityError::TooMany { what: "users", max: USERS_MAX });
        }
        if let Some(same) = directory.find(&name) {
            return Err(RecordsError::Exists { what: "user", name: same.name.clone() }.into());
        }
        let password_hash = self.passwords.hash(&password)?;
        let user = UserRow { name, role, domains, wards, password_hash, disabled: false, created_ms: now_ms };
        let audit = Audit::new(now_ms, actor, "user.add", &user.name).about(reach(&user));
        self.records.insert_user(&user, &audit.with_detail(describe(&user)))?;
        self.reload_users()?;
        Ok(Arc::new(user))
    }

    /// Changes a person.
    ///
    /// Errors: someone who does not exist, the only admin, a password that is easy to guess, an unknown ward.
    pub fn change_user(
        &self,
        name: &str,
        change: UserChange,
        actor: &str,
        now_ms: i64,
    ) -> Result<Arc<UserRow>, IdentityError> {
        let ends = match change.password.is_some() || change.disabled == Some(true) {
            true => Ends::Everything,
            false => Ends::Nothing,
        };
        self.change(name, change, ends, actor, now_ms)
    }

    /// Changes one's own password, which the current one must be given for. `session` is the one that stays signed in.
    ///
    /// Errors: [`SignInError::Refused`] when the current password is wrong, which costs as much as at a sign-in.
    pub fn change_own_password(
        &self,
        turn: Turn,
        current: &str,
        new: String,
        session: &str,
        now_ms: i64,
    ) -> Result<Arc<UserRow>, SignInError> {
        let name = turn.name().to_owned();
        let Some(user) = self.authenticate(turn, current)? else {
            let reach = self.find(&name).map(|user| reach(&user)).unwrap_or_default();
            let audit = Audit::new(now_ms, &name, "password.refused", &name).about(reach);
            self.late.write(Write::Audit(audit.with_detail("the current password was wrong")));
            return Err(SignInError::Refused);
        };
        let change = UserChange { password: Some(new), ..UserChange::default() };
        let ends = Ends::OtherSessions(hash_secret(session));
        Ok(self.change(&user.row.name, change, ends, &user.row.name, now_ms)?)
    }

    fn change(
        &self,
        name: &str,
        change: UserChange,
        ends: Ends,
        actor: &str,
        now_ms: i64,
    ) -> Result<Arc<UserRow>, IdentityError> {
        let _one_at_a_time = lock(&self.changes);
        let directory = self.directory.load_full();
        let missing = || RecordsError::Missing { what: "user", name: name.to_owned() };
        let before = directory.find(name).ok_or_else(missing)?;
        let mut user = UserRow::clone(before);
        let detail = self.apply(&mut user, change)?;
        let is_last = |counts: fn(&UserRow) -> bool| {
            counts(before) && !counts(&user) && directory.rows().filter(|row| counts(row)).count() == 1
        };
        if is_last(is_admin_of_all) || is_last(is_admin) {
            return Err(IdentityError::LastAdmin(user.name));
        }
        let audit = Audit::new(now_ms, actor, "user.change", &user.name).about(reach(&user));
        self.records.update_user(&user, ends, &audit.with_detail(detail))?;
        self.reload_users()?;
        self.end_sessions(&user.name, ends);
        Ok(Arc::new(user))
    }

    fn end_sessions(&self, user: &str, ends: Ends) {
        let stays = |hash: &SecretHash| match ends {
            Ends::Nothing => true,
            Ends::OtherSessions(kept) => *hash == kept,
            Ends::Everything => false,
        };
        lock(&self.sessions).retain(|hash, session| session.user != user || stays(hash));
        if ends == Ends::Everything {
            lock(&self.throttle).origins.forget(user);
        }
    }

    /// Applies a change to a row and returns what the audit trail says about it.
    fn apply(&self, user: &mut UserRow, change: UserChange) -> Result<String, IdentityError> {
        let UserChange { role, domains, wards, password, disabled } = change;
        user.role = role.unwrap_or(user.role);
        if let Some(domains) = domains {
            user.domains = self.known_domains(domains)?;
        }
        if let Some(wards) = wards {
            user.wards = self.known_wards(wards)?;
        }
        user.disabled = disabled.unwrap_or(user.disabled);
        let mut detail = describe(user);
        if let Some(password) = password {
            quality::judge(&password, &user.name, self.city_words())?;
            user.password_hash = self.passwords.hash(&password)?;
            detail.push_str(", new password");
        }
        Ok(detail)
    }

    /// Returns the names of the city's wards, which are guessed first.
    fn city_words(&self) -> impl Iterator<Item = &str> {
        self.wards.iter().flat_map(|wards| wards.values().map(String::as_str))
    }

    fn known_domains(&self, domains: Vec<Domain>) -> Result<Vec<Domain>, IdentityError> {
        if let Some(catalogue) = &self.catalogue {
            catalogue.known_domains(&domains)?;
        }
        Ok(without_repeats(domains))
    }

    fn known_wards(&self, wards: Vec<String>) -> Result<Vec<String>, IdentityError> {
        let unknown = |code: &&String| self.wards.as_ref().is_some_and(|wards| !wards.contains_key(*code));
        match wards.iter().find(unknown) {
            Some(code) => Err(IdentityError::UnknownWard(names::shown(code))),
            None => Ok(without_repeats(wards)),
        }
    }

    /// Writes down the refused sign-ins that were only counted so far. Once a minute.
    pub fn tell_refusals(&self, now_ms: i64) {
        let audits = lock(&self.refusals).flush(now_ms);
        for audit in audits {
            self.late.write(Write::Audit(audit));
        }
    }

    pub(super) fn reload_users(&self) -> Result<(), IdentityError> {
        self.directory.store(Arc::new(Directory::new(self.records.users()?)));
        Ok(())
    }
}

fn is_admin(user: &UserRow) -> bool {
    user.role == Role::Admin && !user.disabled
}

/// Reports whether this person can manage everybody: an admin of one field cannot.
fn is_admin_of_all(user: &UserRow) -> bool {
    is_admin(user) && user.domains.is_empty() && user.wards.is_empty()
}

fn without_repeats<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut unique = Vec::with_capacity(items.len());
    for item in items {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    unique
}

pub(super) fn caller(user: &UserRow) -> Principal {
    Principal {
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

#[cfg(test)]
#[path = "people_tests.rs"]
mod tests;
