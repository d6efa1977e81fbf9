//! Display tokens: screens that look and do nothing else.
use super::{
    lock::lock,
    names,
    people::Identity,
    person::IdentityError,
    secret::{hash_secret, new_token},
};
use ioc_records::{Audit, DisplayTokenRow, RecordsError};
use std::sync::Arc;

/// Most display tokens.
pub const DISPLAY_TOKENS_MAX: usize = 1000;

impl Identity {
    /// Returns the display tokens, by name.
    ///
    /// Errors: what the records say.
    pub fn display_tokens(&self) -> Result<Vec<DisplayTokenRow>, IdentityError> {
        Ok(self.records.display_tokens()?)
    }

    /// Makes a display token and returns its name and itself; it cannot be read again.
    ///
    /// Errors: a name that is taken or cannot be one.
    pub fn add_display_token(
        &self,
        name: &str,
        actor: &str,
        now_ms: i64,
    ) -> Result<(String, String), IdentityError> {
        let token = new_token()?;
        Ok((self.keep_display_token(name, &token, actor, now_ms)?, token))
    }

    /// Makes a display token that is already known to whoever uses it. Returns its name.
    ///
    /// Errors: a name that is taken or cannot be one.
    pub fn keep_display_token(
        &self,
        name: &str,
        token: &str,
        actor: &str,
        now_ms: i64,
    ) -> Result<String, IdentityError> {
        let name = names::new_name(name)?;
        let _one_at_a_time = lock(&self.changes);
        let displays = self.displays.load();
        if displays.len() >= DISPLAY_TOKENS_MAX {
            return Err(IdentityError::TooMany { what: "display tokens", max: DISPLAY_TOKENS_MAX });
        }
        if displays.values().any(|known| names::canonical(known) == name) {
            return Err(RecordsError::Exists { what: "display token", name }.into());
        }
        let (hash, created_by) = (hash_secret(token), actor.to_owned());
        let row = DisplayTokenRow { name, hash, created_by, created_ms: now_ms };
        self.records
            .insert_display_token(&row, &Audit::new(now_ms, actor, "display-token.add", &row.name))?;
        self.reload_displays()?;
        Ok(row.name)
    }

    /// Removes a display token; the screens that use it are told to sign in.
    ///
    /// Errors: a token that does not exist.
    pub fn remove_display_token(&self, name: &str, actor: &str, now_ms: i64) -> Result<(), IdentityError> {
        let _one_at_a_time = lock(&self.changes);
        let displays = self.displays.load();
        let is_exact = displays.values().any(|known| **known == *name);
        let name = if is_exact { name.to_owned() } else { names::canonical(name) };
        self.records
            .delete_display_token(&name, &Audit::new(now_ms, actor, "display-token.remove", &name))?;
        self.reload_displays()
    }

    pub(super) fn reload_displays(&self) -> Result<(), IdentityError> {
        let tokens = self.records.display_tokens()?.into_iter().map(|token| (token.hash, token.name.into()));
        self.displays.store(Arc::new(tokens.collect()));
        Ok(())
    }
}
