//! What every answer tells browsers, and where the plain port leads.
use super::{client::Client, problem::Problem};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::borrow::Cow;

/// What pages may load: everything from this host alone, no script and no style within a page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; \
     style-src 'self'; font-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";
/// A wall fills the screen and keeps it awake; nothing else of a machine is needed.
const PERMISSIONS_POLICY: &str = "accelerometer=(), autoplay=(self), camera=(), display-capture=(), fullscreen=(self), \
     geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), \
     screen-wake-lock=(self), usb=()";

const FIXED: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What is asked of browsers.
#[derive(Debug, Clone, Default)]
pub struct Door {
    /// Value of `Strict-Transport-Security` for those that came over HTTPS.
    pub hsts: Option<HeaderValue>,
    /// Port of HTTPS to which the plain port leads.
    pub https_port: Option<u16>,
}

impl Door {
    /// Returns a door that tells browsers to stay with HTTPS for `hsts_s` seconds, 0 for not at all.
    pub fn new(hsts_s: u64, https_port: Option<u16>) -> Self {
        let hsts = (hsts_s > 0).then(|| HeaderValue::from_str(&format!("max-age={hsts_s}")).ok()).flatten();
        Self { hsts, https_port }
    }
}

/// Reads a header. What is not UTF-8 is replaced, so that it spoils its own part of a list and not what others have added.
pub(super) fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Adds the headers of every answer, or leads to HTTPS.
pub async fn add(State(door): State<Door>, request: Request, next: Next) -> Response {
    let https = request.extensions().get::<Client>().is_some_and(|client| client.https);
    let redirect = door.https_port.filter(|_| !https && !is_for_machines(request.uri().path()));
    let mut response = match redirect {
        Some(port) => lead(request.headers(), request.uri(), port),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Some(hsts) = door.hsts.filter(|_| https) {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
    response
}

/// Health checks and scrapes come from machines nearby, which follow no redirect.
fn is_for_machines(path: &str) -> bool {
    path.starts_with("/health/") || path == "/metrics"
}

/// Leads to the same page over HTTPS. 308 keeps method and body.
fn lead(headers: &HeaderMap, uri: &Uri, port: u16) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<axum::http::uri::Authority>().ok());
    let Some(authority) = authority.filter(|authority| !authority.as_str().contains('@')) else {
        return Problem::bad_request("the request has no Host; ask over https").into_response();
    };
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let to = format!("https://{}{port}{path}", authority.host());
    match HeaderValue::from_str(&to) {
        Ok(to) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, to)]).into_response(),
        Err(_) => {
            Problem::bad_request("this address cannot be asked over http; ask over https").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_port_leads_to_the_same_page() {
        let cases = [
            ("ioc.hue.example:8080", "/wall?x=1", 8443, Some("https://ioc.hue.example:8443/wall?x=1")),
            ("ioc.hue.example", "/", 443, Some("https://ioc.hue.example/")),
            ("[::1]:8080", "/a", 8443, Some("https://[::1]:8443/a")),
            ("user@evil.example", "/", 443, None),
            ("", "/", 443, None),
        ];
        for (host, path, port, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            let response = lead(&headers, &path.parse().unwrap(), port);
            let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
            assert_eq!(to, expected, "{host}");
        }
    }
}
