//! Who is asking: a session cookie, a bearer token, or the display token of a wall in `?token=`, where a browser cannot
//! set headers (WebSocket).
//! Every decision is [`ioc_identity::authorize`]'s.
use super::{
    client::Client,
    headers::text,
    problem::{Answer, Problem},
    state::ApiState,
};
use crate::clock::now_ms;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use ioc_identity::{Action, Identity, Principal, Resource, Via, authorize, is_token};
use ioc_model::{Alert, Domain};
use ioc_records::AlertQuery;

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
    pub caller: Principal,
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
        let https = client.is_some_and(|client| client.https);
        let secrets = secrets(&parts.headers, parts.uri.query(), https);
        let now_ms = now_ms();
        let Found { caller, secret, place } = find(&secrets, |secret| state.identity.caller(secret, now_ms))?;
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

/// A caller that was found by its secret.
#[derive(Debug)]
struct Found<C> {
    caller: C,
    secret: String,
    place: Place,
}

/// Why nobody was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotFound {
    /// There was no secret at all.
    Missing,
    /// None of them holds.
    Ended,
}

impl From<NotFound> for Problem {
    fn from(why: NotFound) -> Self {
        Self::unauthorized(match why {
            NotFound::Missing => "sign in with POST /api/v1/session, or send Authorization: Bearer <token>",
            NotFound::Ended => "this sign-in has ended or the token is not valid; sign in again",
        })
    }
}

/// Returns everything in a request that may be a secret of ours.
fn secrets(headers: &HeaderMap, query: Option<&str>, https: bool) -> Vec<(Place, String)> {
    let bearers = headers.get_all(header::AUTHORIZATION).iter().filter_map(bearer);
    let pairs = form_urlencoded::parse(query.unwrap_or("").as_bytes());
    let in_query = pairs.filter(|(name, _)| name == "token").map(|(_, token)| token.trim().to_owned());
    let cookies = cookies(headers, cookie_name(https));
    let bearers = bearers.map(|token| (Place::Header, token));
    let rest = in_query.map(|token| (Place::Query, token));
    bearers.chain(rest).chain(cookies.into_iter().map(|cookie| (Place::Cookie, cookie))).collect()
}

/// Finds who a request is from, with who is `known` by a secret. What was said on purpose counts before a cookie, and when
/// it looks like a token of ours and does not hold, no cookie helps. What does not look like ours was meant for somebody
/// else, a proxy for one; and any cookie that holds counts, since others on this host may have set one of the same name.
fn find<C>(secrets: &[(Place, String)], known: impl Fn(&str) -> Option<C>) -> Result<Found<C>, NotFound> {
    for place in [Place::Header, Place::Query, Place::Cookie] {
        let here = || secrets.iter().filter(|(at, _)| *at == place).map(|(_, secret)| secret);
        if let Some((caller, secret)) = here().find_map(|secret| Some((known(secret)?, secret.clone()))) {
            return Ok(Found { caller, secret, place });
        }
        if place != Place::Cookie && here().any(|secret| is_token(secret)) {
            return Err(NotFound::Ended);
        }
    }
    Err(if secrets.is_empty() { NotFound::Missing } else { NotFound::Ended })
}

/// Reads `Bearer <token>`; schemes have no case (RFC 9110 §11.1). Others are not ours, such as the `Basic` of a proxy.
fn bearer(value: &HeaderValue) -> Option<String> {
    let value = text(value);
    let (scheme, token) = value.trim().split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Returns all session cookies.
pub fn session_cookies(headers: &HeaderMap, https: bool) -> Vec<String> {
    cookies(headers, cookie_name(https))
}

/// Finds the cookie by which the browser is known, or else the first that could be it.
pub fn browser(headers: &HeaderMap, identity: &Identity) -> Option<String> {
    let cookies = cookies(headers, BROWSER_COOKIE);
    let known = cookies.iter().find(|secret| identity.knows_browser(secret));
    known.or(cookies.first()).cloned()
}

/// Returns the values of all cookies of this name. Other applications of this host have cookies in the same line, in any
/// encoding, so a line is taken apart as bytes and each value read alone.
fn cookies(headers: &HeaderMap, wanted: &str) -> Vec<String> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii()))
    });
    let ours = pairs.filter(|(name, _)| *name == wanted.as_bytes());
    let values = ours.filter_map(|(_, value)| std::str::from_utf8(value).ok());
    values.map(|value| value.trim_matches('"').to_owned()).collect()
}

impl Actor {
    /// Returns who it is, for the audit trail.
    pub fn name(&self) -> &str {
        &self.caller.name
    }

    /// Reports whether the actor may do this.
    pub fn may(&self, action: Action, object: &Resource<'_>) -> bool {
        authorize(&self.caller, action, object)
    }

    /// Demands that the actor may do this.
    ///
    /// Errors: 403.
    pub fn must(&self, action: Action, object: &Resource<'_>) -> Answer<()> {
        match self.may(action, object) {
            true => Ok(()),
            false => {
                Err(Problem::forbidden(format!("{} may not do this ({})", self.name(), self.caller.role)))
            }
        }
    }

    /// Reports whether the actor may see a thing in this domain and ward.
    pub fn may_see(&self, domain: Domain, ward: Option<&str>) -> bool {
        authorize(&self.caller, Action::Read, &Resource::Place { domain: Some(domain), ward })
    }

    /// Reports whether the actor may see what is said of a whole domain.
    pub fn may_see_all_of(&self, domain: Option<Domain>) -> bool {
        authorize(&self.caller, Action::Read, &Resource::Domain(domain))
    }

    /// Demands that the actor may do this to an alert.
    ///
    /// Errors: 403.
    pub fn must_on(&self, action: Action, alert: &Alert) -> Answer<()> {
        self.must(action, &Resource::Place { domain: alert.domain, ward: alert.ward.as_deref() })
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

    /// Reports whether the sign-in still holds.
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

    fn header_map(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn secrets_are_found_wherever_they_may_stand_and_however_they_are_spelled() {
        use Place::{Cookie, Header, Query};
        type Case<'a> = (&'a [(&'static str, &'a str)], Option<&'a str>, bool, &'a [(Place, &'a str)]);
        let cases: [Case<'_>; 24] = [
            (&[], None, false, &[]),
            (&[], Some("a=1&token=t"), false, &[(Query, "t")]),
            (&[], Some("token=a%2Db%5Fc"), false, &[(Query, "a-b_c")]),
            (&[], Some("%74oken=t&token=u"), false, &[(Query, "t"), (Query, "u")]),
            (&[], Some("tokens=t"), false, &[]),
            (&[("cookie", "a=b; ioc_session=s; c=d")], None, false, &[(Cookie, "s")]),
            (&[("cookie", "a=b;ioc_session=s")], None, false, &[(Cookie, "s")]),
            (&[("cookie", "a ; ioc_session = s ")], None, false, &[(Cookie, "s")]),
            (&[("cookie", "a=b"), ("cookie", "ioc_session=s")], None, false, &[(Cookie, "s")]),
            (&[("cookie", "ioc_session=s=t")], None, false, &[(Cookie, "s=t")]),
            (&[("cookie", "ioc_session=\"s\"")], None, false, &[(Cookie, "s")]),
            (&[("cookie", "ioc_session=; ioc_session=s")], None, false, &[(Cookie, ""), (Cookie, "s")]),
            (&[("cookie", "IOC_SESSION=s; xioc_session=s; ioc_session")], None, false, &[]),
            (&[("cookie", "ten=Huế; ioc_session=s; huế=ioc_session=t")], None, false, &[(Cookie, "s")]),
            (&[("cookie", "__Host-ioc_session=s")], None, true, &[(Cookie, "s")]),
            (&[("cookie", "ioc_session=tossed; __Host-ioc_session=s")], None, true, &[(Cookie, "s")]),
            (&[("cookie", "ioc_session=s")], None, true, &[]),
            (
                &[("authorization", "Bearer x"), ("cookie", "ioc_session=s")],
                Some("token=t"),
                false,
                &[(Header, "x"), (Query, "t"), (Cookie, "s")],
            ),
            (&[("authorization", "BEARER   x ")], None, false, &[(Header, "x")]),
            (&[("authorization", "bEaReR\tx")], None, false, &[(Header, "x")]),
            (
                &[("authorization", "Basic dTpw"), ("authorization", "bearer x")],
                None,
                false,
                &[(Header, "x")],
            ),
            (&[("authorization", "Huế"), ("authorization", "bearer x")], None, false, &[(Header, "x")]),
            (&[("authorization", "Bearer")], None, false, &[]),
            (&[("authorization", "Bearerx y")], None, false, &[]),
        ];
        for (lines, query, https, expected) in cases {
            let found = secrets(&header_map(lines), query, https);
            let found: Vec<_> = found.iter().map(|(place, secret)| (*place, secret.as_str())).collect();
            assert_eq!(found, expected, "{lines:?} {query:?}");
        }
    }

    #[test]
    fn bytes_of_a_neighbour_spoil_its_own_cookie_alone() {
        for neighbour in
            [&b"ten=Hu\xe9"[..], b"\xff", b"a=\xf0\x9f", b"=\x80=", b"\xe1\xba=\xbf", b"ioc_session=\xff"]
        {
            for line in [[neighbour, b"; ioc_session=s"].concat(), [b"ioc_session=s;", neighbour].concat()] {
                let mut headers = HeaderMap::new();
                headers.append(header::COOKIE, HeaderValue::from_bytes(&line).unwrap());
                assert_eq!(session_cookies(&headers, false), ["s"], "{line:?}");
            }
        }
    }

    /// Every combination of what may stand in the three places.
    #[test]
    fn who_a_request_is_from_is_decided_by_what_is_ours() {
        let token = |letter: &str| letter.repeat(43);
        let (api, display, session, wrong) = (token("a"), token("d"), token("s"), token("w"));
        let known =
            |secret: &str| [&api, &display, &session].into_iter().any(|one| one == secret).then_some(());
        let bearer = |secret: &str| format!("Bearer {secret}");
        let headers = [
            vec![],
            vec!["Basic eDp5".to_owned()],
            vec!["Bearer".to_owned()],
            vec![bearer("eyJhbGciOiJSUzI1NiJ9.e30.x")],
            vec![bearer(&wrong)],
            vec![bearer(&api)],
            vec!["Basic eDp5".to_owned(), bearer(&api)],
            vec![bearer(&wrong), bearer(&api)],
        ];
        let queries = [
            String::new(),
            "token=".to_owned(),
            "token=abc&x=1".to_owned(),
            format!("token={wrong}"),
            format!("token={display}"),
        ];
        let ours = |value: &str| format!("ioc_session={value}");
        let cookies = [
            String::new(),
            "ten=Huế".to_owned(),
            ours(""),
            ours("stale"),
            ours(&wrong),
            ours(&session),
            format!("{}; ten=Huế", ours(&session)),
            format!("ten=Huế; {}; {}", ours(&wrong), ours(&session)),
            format!("{}; {}", ours(&session), ours(&wrong)),
        ];
        for header in &headers {
            for query in &queries {
                for cookie in &cookies {
                    let mut lines: Vec<_> =
                        header.iter().map(|line| ("authorization", line.as_str())).collect();
                    lines.push(("cookie", cookie));
                    let secrets = secrets(&header_map(&lines), Some(query), false);
                    let found = find(&secrets, known).map(|found| found.secret);
                    let said = |place: &str, secret: &String| place.contains(secret.as_str());
                    let header = header.join(" ");
                    let nothing = if secrets.is_empty() { NotFound::Missing } else { NotFound::Ended };
                    let expected = match () {
                        () if said(&header, &api) => Ok(api.clone()),
                        () if said(&header, &wrong) => Err(NotFound::Ended),
                        () if said(query, &display) => Ok(display.clone()),
                        () if said(query, &wrong) => Err(NotFound::Ended),
                        () if said(cookie, &session) => Ok(session.clone()),
                        () => Err(nothing),
                    };
                    assert_eq!(found, expected, "{header:?} {query:?} {cookie:?}");
                }
            }
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
