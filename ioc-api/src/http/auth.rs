//! Who is asking: a session cookie, a bearer token, or `?token=` where a browser cannot set headers (WebSocket).
//! Every decision is [`crate::identity::may`]'s.
use super::{
    problem::{Answer, Problem},
    state::ApiState,
};
use crate::{
    clock::now_ms,
    identity::{Action, Caller, Identity, Object, may},
    records::AlertQuery,
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use ioc_ingest::Device;
use ioc_model::{Alert, Domain};

/// Name of the session cookie.
pub const COOKIE: &str = "ioc_session";

/// Whoever sent the request; signed in, or the request is answered 401.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Name, role, domains, wards.
    pub caller: Caller,
    secret: String,
}

impl FromRequestParts<ApiState> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let missing = || {
            Problem::unauthorized("sign in with POST /api/v1/session, or send Authorization: Bearer <token>")
        };
        let secret = secret(&parts.headers, parts.uri.query()).ok_or_else(missing)?;
        let ended =
            || Problem::unauthorized("this sign-in has ended or the token is not valid; sign in again");
        let caller = state.identity.caller(&secret, now_ms()).ok_or_else(ended)?;
        Ok(Self { caller, secret })
    }
}

/// Finds the secret in a request.
fn secret(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let in_query = || query?.split('&').find_map(|pair| pair.strip_prefix("token="));
    let token = bearer.or_else(in_query).map(|token| token.trim().to_owned());
    token.or_else(|| cookie(headers))
}

/// Finds the session cookie.
pub fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

impl Actor {
    /// Returns who it is, for the audit trail.
    pub fn name(&self) -> &str {
        &self.caller.name
    }

    /// Says whether the actor may do this.
    pub fn may(&self, action: Action, object: &Object<'_>) -> bool {
        may(&self.caller, action, object)
    }

    /// Demands that the actor may do this.
    ///
    /// Errors: 403.
    pub fn must(&self, action: Action, object: &Object<'_>) -> Answer<()> {
        match self.may(action, object) {
            true => Ok(()),
            false => {
                Err(Problem::forbidden(format!("{} may not do this ({})", self.name(), self.caller.role)))
            }
        }
    }

    /// Says whether the actor may see a thing in this domain and ward.
    pub fn may_see(&self, domain: Domain, ward: Option<&str>) -> bool {
        may(&self.caller, Action::Look, &Object::Place { domain: Some(domain), ward })
    }

    /// Says whether the actor may see what is said of a whole domain.
    pub fn may_see_all_of(&self, domain: Option<Domain>) -> bool {
        may(&self.caller, Action::Look, &Object::Domain(domain))
    }

    /// Demands that the actor may see a device.
    ///
    /// Errors: 403.
    pub fn must_see(&self, device: &Device) -> Answer<()> {
        self.must(Action::Look, &Object::Place { domain: Some(device.domain), ward: device.ward.as_deref() })
    }

    /// Demands that the actor may do this to an alert.
    ///
    /// Errors: 403.
    pub fn must_on(&self, action: Action, alert: &Alert) -> Answer<()> {
        self.must(action, &Object::Place { domain: alert.domain, ward: alert.ward.as_deref() })
    }

    /// Narrows a list to what the actor may see.
    ///
    /// Errors: 403 when that leaves nothing of what was asked for.
    pub fn narrow(&self, query: &mut AlertQuery) -> Answer<()> {
        narrow(&mut query.domains, &self.caller.domains)?;
        narrow(&mut query.wards, &self.caller.wards)
    }

    /// Says whether the sign-in still holds.
    pub fn still_valid(&self, identity: &Identity) -> bool {
        identity.caller(&self.secret, now_ms()).is_some()
    }

    /// Returns when the sign-in ends; `None` for display tokens.
    pub fn expires_ms(&self, identity: &Identity) -> Option<i64> {
        identity.session_expires_ms(&self.secret)
    }
}

/// Empty means all, on both sides.
fn narrow<T: PartialEq + Clone>(asked: &mut Vec<T>, allowed: &[T]) -> Answer<()> {
    if allowed.is_empty() {
        return Ok(());
    }
    if asked.is_empty() {
        *asked = allowed.to_vec();
        return Ok(());
    }
    asked.retain(|wanted| allowed.contains(wanted));
    match asked.is_empty() {
        true => Err(Problem::forbidden("none of the domains or wards asked for are yours")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_found_wherever_it_may_stand() {
        let mut headers = HeaderMap::new();
        assert!(secret(&headers, None).is_none());
        assert_eq!(secret(&headers, Some("a=1&token=t")).as_deref(), Some("t"));
        headers.insert(header::COOKIE, "a=b; ioc_session=s; c=d".parse().unwrap());
        assert_eq!(secret(&headers, None).as_deref(), Some("s"));
        headers.insert(header::AUTHORIZATION, "Bearer x".parse().unwrap());
        assert_eq!(secret(&headers, None).as_deref(), Some("x"));
    }

    #[test]
    fn empty_means_all_on_both_sides() {
        let mut asked: Vec<&str> = vec![];
        assert!(narrow(&mut asked, &["a"]).is_ok() && asked == ["a"]);
        let mut asked = vec!["b"];
        assert!(narrow(&mut asked, &["a"]).is_err());
        let mut asked = vec!["b"];
        assert!(narrow(&mut asked, &[]).is_ok() && asked == ["b"]);
    }
}
