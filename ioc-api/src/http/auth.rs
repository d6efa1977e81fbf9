//! Who is asking: a session cookie, a bearer token, or the display token of a wall in `?token=`, where a browser cannot
//! set headers (WebSocket).
//! Every decision is [`crate::identity::may`]'s.
use super::{
    client::Client,
    problem::{Answer, Problem},
    state::ApiState,
};
use crate::{
    clock::now_ms,
    identity::{Action, Caller, Identity, Object, Via, may},
    records::AlertQuery,
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use ioc_ingest::Device;
use ioc_model::{Alert, Domain};

/// Name of the session cookie over plain HTTP.
const COOKIE: &str = "ioc_session";
/// Its name over HTTPS: browsers take it only from this host, and only over HTTPS.
const COOKIE_HTTPS: &str = "__Host-ioc_session";

/// Returns the name of the session cookie.
pub fn cookie_name(https: bool) -> &'static str {
    if https { COOKIE_HTTPS } else { COOKIE }
}
/// Name of the cookie by which a browser is known at the next sign-in. It opens nothing.
pub const BROWSER_COOKIE: &str = "ioc_browser";

/// Whoever sent the request; signed in, or the request is answered 401.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Name, role, domains, wards.
    pub caller: Caller,
    /// The connection is not one of those that make room for others; so it is unless the caller has too many.
    pub keeps_place: bool,
    secret: String,
}

impl FromRequestParts<ApiState> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let client = parts.extensions.get::<Client>();
        let missing = || {
            Problem::unauthorized("sign in with POST /api/v1/session, or send Authorization: Bearer <token>")
        };
        let https = client.is_some_and(|client| client.https);
        let (secret, place) = secret(&parts.headers, parts.uri.query(), https).ok_or_else(missing)?;
        let ended =
            || Problem::unauthorized("this sign-in has ended or the token is not valid; sign in again");
        let caller = state.identity.caller(&secret, now_ms()).ok_or_else(ended)?;
        if place == Place::Query && (caller.via != Via::Display || !is_stream(parts.uri.path())) {
            // Addresses stand in logs, histories and referrers.
            return Err(Problem::unauthorized(
                "?token= is for display tokens at the live stream alone; send Authorization: Bearer <token> or the cookie",
            ));
        }
        let keeps_place = client.is_none_or(|client| client.peer.identified(&caller.name));
        let actor = Self { caller, keeps_place, secret };
        parts.extensions.insert(actor.clone());
        Ok(actor)
    }
}

/// Reports whether `path` is the live stream's, where a browser cannot set headers; also as the nested router sees it.
fn is_stream(path: &str) -> bool {
    matches!(path, "/stream" | "/api/v1/stream")
}

/// Where a secret stood in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Query,
    Cookie,
}

/// Finds the secret in a request.
fn secret(headers: &HeaderMap, query: Option<&str>, https: bool) -> Option<(String, Place)> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter().find_map(bearer);
    let in_query = || {
        let mut pairs = form_urlencoded::parse(query?.as_bytes());
        pairs.find(|(name, _)| name == "token").map(|(_, token)| token.trim().to_owned())
    };
    let header = bearer.map(|token| (token, Place::Header));
    let found = header.or_else(|| in_query().map(|token| (token, Place::Query)));
    found.or_else(|| cookie(headers, https).map(|cookie| (cookie, Place::Cookie)))
}

/// Reads `Bearer <token>`; schemes have no case (RFC 9110 §11.1). Others are not ours, such as the `Basic` of a proxy.
fn bearer(value: &HeaderValue) -> Option<String> {
    let (scheme, token) = value.to_str().ok()?.trim().split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Finds the session cookie.
pub fn cookie(headers: &HeaderMap, https: bool) -> Option<String> {
    named_cookie(headers, cookie_name(https))
}

/// Finds the cookie by which the browser is known.
pub fn browser(headers: &HeaderMap) -> Option<String> {
    named_cookie(headers, BROWSER_COOKIE)
}

fn named_cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.trim_matches('"').to_owned())
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

    /// Returns the session id or token that the request came with.
    pub fn secret(&self) -> &str {
        &self.secret
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
    fn the_secret_is_found_wherever_it_may_stand_and_however_it_is_spelled() {
        use Place::{Cookie, Header, Query};
        type Case<'a> = (&'a [(&'static str, &'a str)], Option<&'a str>, bool, Option<(&'a str, Place)>);
        let cases: [Case<'_>; 21] = [
            (&[], None, false, None),
            (&[], Some("a=1&token=t"), false, Some(("t", Query))),
            (&[], Some("token=a%2Db%5Fc"), false, Some(("a-b_c", Query))),
            (&[], Some("%74oken=t"), false, Some(("t", Query))),
            (&[], Some("tokens=t"), false, None),
            (&[("cookie", "a=b; ioc_session=s; c=d")], None, false, Some(("s", Cookie))),
            (&[("cookie", "a=b;ioc_session=s")], None, false, Some(("s", Cookie))),
            (&[("cookie", "a=b"), ("cookie", "ioc_session=s")], None, false, Some(("s", Cookie))),
            (&[("cookie", "ioc_session=\"s\"")], None, false, Some(("s", Cookie))),
            (&[("cookie", "IOC_SESSION=s")], None, false, None),
            (&[("cookie", "__Host-ioc_session=s")], None, true, Some(("s", Cookie))),
            (&[("cookie", "ioc_session=tossed; __Host-ioc_session=s")], None, true, Some(("s", Cookie))),
            (&[("cookie", "ioc_session=s")], None, true, None),
            (&[("authorization", "Bearer x"), ("cookie", "ioc_session=s")], None, false, Some(("x", Header))),
            (&[("authorization", "bearer x")], Some("token=t"), false, Some(("x", Header))),
            (&[("authorization", "BEARER   x ")], None, false, Some(("x", Header))),
            (&[("authorization", "bEaReR\tx")], None, false, Some(("x", Header))),
            (
                &[("authorization", "Basic dTpw"), ("cookie", "ioc_session=s")],
                None,
                false,
                Some(("s", Cookie)),
            ),
            (
                &[("authorization", "Basic dTpw"), ("authorization", "bearer x")],
                None,
                false,
                Some(("x", Header)),
            ),
            (&[("authorization", "Bearer")], None, false, None),
            (&[("authorization", "Bearerx y")], None, false, None),
        ];
        for (lines, query, https, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            let found = secret(&headers, query, https);
            let found = found.as_ref().map(|(secret, place)| (secret.as_str(), *place));
            assert_eq!(found, expected, "{lines:?} {query:?}");
        }
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
