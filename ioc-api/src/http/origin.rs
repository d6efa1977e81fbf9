//! Requests that another site made a browser send are refused: a foreign `Origin` may neither change anything nor
//! open the live stream. Without `Origin` it was no browser.
use super::{client::Client, problem::Problem};
use axum::{
    extract::Request,
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Reports whether the request's origin is this host, or absent. `forwarded` is the host that a trusted proxy was
/// asked for.
pub fn is_own(headers: &HeaderMap, forwarded: Option<&str>) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some((scheme, authority)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let Some(port) = implied_port(scheme) else { return false };
    let own = [host, forwarded].into_iter().flatten().filter_map(|host| parts(host, port));
    // Two of them come from no browser.
    origins.next().is_none()
        && parts(authority, port).is_some_and(|origin| own.into_iter().any(|own| own == origin))
}

/// Returns the port that a scheme means when none is written.
fn implied_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// Reads host and port; the same host is the same text.
fn parts(authority: &str, implied: u16) -> Option<(String, u16)> {
    let authority = authority.trim();
    let colon = authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'));
    let (host, port) = match colon {
        Some(colon) => (&authority[..colon], &authority[colon + 1..]),
        None => (authority, ""),
    };
    let port = if port.is_empty() { implied } else { port.parse().ok()? };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (!host.is_empty()).then_some((host, port))
}

/// Refuses foreign origins on everything but reading.
pub async fn guard(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let forwarded = request.extensions().get::<Client>().and_then(|client| client.host.as_deref());
    if !reads && !is_own(request.headers(), forwarded) {
        return Problem::forbidden("this request comes from another site").into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_foreign_origins_are_refused() {
        let cases = [
            ("ioc.hue.example:8080", Some("https://ioc.hue.example:8080"), true),
            ("ioc.hue.example:8080", None, true),
            ("IOC.hue.example", Some("http://ioc.HUE.example"), true),
            ("ioc.hue.example:80", Some("http://ioc.hue.example"), true),
            ("ioc.hue.example", Some("http://ioc.hue.example:80"), true),
            ("ioc.hue.example:443", Some("https://ioc.hue.example"), true),
            ("ioc.hue.example", Some("https://ioc.hue.example:443"), true),
            ("ioc.hue.example.", Some("https://ioc.hue.example"), true),
            ("ioc.hue.example", Some("HTTPS://ioc.hue.example"), true),
            ("[::1]:8080", Some("http://[::1]:8080"), true),
            ("[::1]", Some("http://[::1]:80"), true),
            ("ioc.hue.example:8080", Some("https://evil.example"), false),
            ("ioc.hue.example:8080", Some("null"), false),
            ("ioc.hue.example:8080", Some("http://ioc.hue.example"), false),
            ("ioc.hue.example:443", Some("http://ioc.hue.example"), false),
            ("ioc.hue.example", Some("http://ioc.hue.example.evil.example"), false),
            ("ioc.hue.example", Some("http://ioc.hue.example@evil.example"), false),
            ("ioc.hue.example", Some("file://ioc.hue.example"), false),
            ("ioc.hue.example", Some("http://"), false),
            ("", Some("http://"), false),
        ];
        for (host, origin, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(is_own(&headers, None), expected, "{origin:?} at {host}");
        }
    }

    #[test]
    fn behind_a_proxy_the_host_is_the_one_that_it_was_asked_for() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "127.0.0.1:8080".parse().unwrap());
        headers.insert(header::ORIGIN, "https://ioc.hue.example".parse().unwrap());
        assert!(!is_own(&headers, None));
        assert!(is_own(&headers, Some("ioc.hue.example")));
        headers.append(header::ORIGIN, "https://ioc.hue.example".parse().unwrap());
        assert!(!is_own(&headers, Some("ioc.hue.example")), "two origins");
    }
}
