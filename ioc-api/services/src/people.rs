//! People who may sign in, and the display tokens of screens.
use crate::{ServiceError, demand};
use ioc_identity::{
    Action, Identity, NewUser, Principal, Resource, Role, SignInError, SignInFrom, Turn, UserChange,
    authorize,
};
use ioc_model::Domain;
use ioc_records::{DisplayTokenRow, UserRow};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What concerns the whole city: a screen sees everything.
const EVERYTHING: Resource<'static> = Resource::Reach { domains: &[], wards: &[] };

/// A user, without anything secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = UserDto))]
pub struct UserView {
    /// User name.
    pub name: String,
    /// What they may do at most.
    pub role: Role,
    /// Empty is all.
    pub domains: Vec<Domain>,
    /// Empty is all.
    pub wards: Vec<String>,
    /// May not sign in.
    pub disabled: bool,
    /// Milliseconds since the epoch.
    pub created_at: i64,
}

impl From<&UserRow> for UserView {
    fn from(row: &UserRow) -> Self {
        let UserRow { name, role, domains, wards, disabled, created_ms, .. } = row.clone();
        Self { name, role, domains, wards, disabled, created_at: created_ms }
    }
}

/// A display token, without the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DisplayDto))]
pub struct DisplayTokenView {
    /// Name of the screen.
    pub name: String,
    /// Who made it.
    pub created_by: String,
    /// When, milliseconds since the epoch.
    pub created_at: i64,
}

impl From<DisplayTokenRow> for DisplayTokenView {
    fn from(row: DisplayTokenRow) -> Self {
        Self { name: row.name, created_by: row.created_by, created_at: row.created_ms }
    }
}

/// What can be done to people. Every call blocks on the disk or on hashing, but [`People::try_own_password`].
#[derive(Clone)]
pub struct People(Arc<Identity>);

impl People {
    /// Works on `identity`.
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        Self(identity)
    }

    /// Lists the people whom the caller may change, and the caller, by name.
    ///
    /// Errors: a caller who may not.
    pub fn list(&self, caller: &Principal) -> Result<Vec<UserView>, ServiceError> {
        demand(caller, Action::ManagePeople, &Resource::City)?;
        let is_shown = |row: &Arc<UserRow>| {
            *row.name == *caller.name || authorize(caller, Action::ManagePeople, &of(row))
        };
        let users = self.0.users();
        Ok(users.iter().filter(|row| is_shown(row)).map(|row| UserView::from(&**row)).collect())
    }

    /// Adds a person.
    ///
    /// Errors: a caller who may not, a name that is taken or cannot be one, a password that is easy to guess.
    pub fn add(&self, caller: &Principal, new: NewUser, now_ms: i64) -> Result<UserView, ServiceError> {
        demand(caller, Action::ManagePeople, &Resource::Reach { domains: &new.domains, wards: &new.wards })?;
        Ok(UserView::from(&*self.0.add_user(new, &caller.name, now_ms)?))
    }

    /// Changes a person. One's own password is changed by [`People::change_own_password`].
    ///
    /// Errors: a caller who may not, someone who does not exist, the only admin, a password that is easy to guess.
    pub fn change(
        &self,
        caller: &Principal,
        name: &str,
        change: UserChange,
        now_ms: i64,
    ) -> Result<UserView, ServiceError> {
        let person = self.0.find(name);
        let name = person.as_ref().map_or(name, |person| person.name.as_str());
        let action = action_of(&change);
        demand(caller, action, &Resource::Person(name))?;
        let is_self = *name == *caller.name;
        if let Some(person) = person.as_ref().filter(|_| !is_self) {
            demand(caller, action, &of(person))?;
        }
        if is_self && change.password.is_some() {
            let text = "change your own password by itself, without role and disabled";
            return Err(ServiceError::Invalid(text.to_owned()));
        }
        Ok(UserView::from(&*self.0.change_user(name, change, &caller.name, now_ms)?))
    }

    /// Reports whether this is the caller's own name, however it is typed.
    pub fn is_oneself(&self, caller: &Principal, name: &str) -> bool {
        self.0.find(name).is_some_and(|person| *person.name == *caller.name)
    }

    /// Waits for a turn to try the caller's current password: a stolen session must not become a stolen account, so
    /// that one's own password takes the current one. [`People::change_own_password`] goes on with it.
    ///
    /// Errors: a caller who may not, too many tries.
    pub async fn try_own_password(
        &self,
        caller: &Principal,
        current: &str,
        from: &SignInFrom,
    ) -> Result<Turn, ServiceError> {
        demand(caller, Action::ChangePassword, &Resource::Person(&caller.name))?;
        Ok(self.0.turn(&caller.name, current, from).await?)
    }

    /// Changes the caller's own password. `session` is the one that stays signed in.
    ///
    /// Errors: [`SignInError::Refused`] when the current password is wrong, a new one that is easy to guess.
    pub fn change_own_password(
        &self,
        turn: Turn,
        current: &str,
        new: String,
        session: &str,
        now_ms: i64,
    ) -> Result<UserView, SignInError> {
        Ok(UserView::from(&*self.0.change_own_password(turn, current, new, session, now_ms)?))
    }

    /// Lists the display tokens, by name.
    ///
    /// Errors: a caller who may not.
    pub fn display_tokens(&self, caller: &Principal) -> Result<Vec<DisplayTokenView>, ServiceError> {
        demand(caller, Action::ManageDisplays, &Resource::City)?;
        Ok(self.0.display_tokens()?.into_iter().map(Into::into).collect())
    }

    /// Makes a display token; returns its name, and itself this once.
    ///
    /// Errors: a caller who may not, a name that is taken or cannot be one.
    pub fn add_display_token(
        &self,
        caller: &Principal,
        name: &str,
        now_ms: i64,
    ) -> Result<(String, String), ServiceError> {
        demand(caller, Action::ManageDisplays, &EVERYTHING)?;
        Ok(self.0.add_display_token(name, &caller.name, now_ms)?)
    }

    /// Removes a display token; the screens that use it are told to sign in.
    ///
    /// Errors: a caller who may not, a token that does not exist.
    pub fn remove_display_token(
        &self,
        caller: &Principal,
        name: &str,
        now_ms: i64,
    ) -> Result<(), ServiceError> {
        demand(caller, Action::ManageDisplays, &EVERYTHING)?;
        Ok(self.0.remove_display_token(name, &caller.name, now_ms)?)
    }
}

fn of(person: &UserRow) -> Resource<'_> {
    Resource::Reach { domains: &person.domains, wards: &person.wards }
}

/// Returns what a change is: everyone may change their own password, and nothing else.
fn action_of(change: &UserChange) -> Action {
    let UserChange { role, domains, wards, disabled, password: _ } = change;
    let is_password = role.is_none() && domains.is_none() && wards.is_none() && disabled.is_none();
    if is_password { Action::ChangePassword } else { Action::ManagePeople }
}
