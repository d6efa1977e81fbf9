//! Requests that another site made a browser send are refused: a foreign `Origin` may neither change anything nor
//! open the live stream. Without `Origin` it was no browser.
use super::{client::Client, problem::Problem};
use axum::{
    extract::Request,
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// As what a client asked for us, beside its own `Host`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Over HTTPS; `None` when it came through a proxy that does not say.
    pub https: Option<bool>,
    /// The hosts that trusted proxies were asked for.
    pub hosts: Vec<String>,
    /// The ports that they were asked at.
    pub ports: Vec<u16>,
}

/// Reports whether the request's origin is what it asked for, or absent: scheme, host and port, as far as they are known.
pub fn is_own(headers: &HeaderMap, asked: &Asked) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let Some((scheme, authority)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let Some(implied) = implied_port(scheme) else { return false };
    let is_https = implied == HTTPS_PORT;
    // Two of them come from no browser.
    if origins.next().is_some() || asked.https.is_some_and(|https| https != is_https) {
        return false;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let mut own = host.into_iter().chain(asked.hosts.iter().map(String::as_str)).flat_map(|authority| {
        let elsewhere = asked.ports.iter().copied().filter(|_| !has_port(authority));
        elsewhere.chain([implied]).filter_map(|implied| parts(authority, implied))
    });
    parts(authority, implied).is_some_and(|origin| own.any(|own| own == origin))
}

/// Refuses a request of another site.
pub fn refusal(headers: &HeaderMap) -> Problem {
    let origin = headers.get(header::ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()));
    let origin: String = origin.unwrap_or_default().chars().take(100).collect();
    Problem::forbidden(format!(
        "this request comes from another site, {origin}; if that is this server behind a proxy, \
         http.trusted_proxies of its configuration must name the proxy, and http.behind_tls say that it speaks HTTPS"
    ))
}

/// Returns the port that a scheme means when none is written.
fn implied_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some(HTTP_PORT),
        "https" | "wss" => Some(HTTPS_PORT),
        _ => None,
    }
}

/// Returns where the port begins; an IPv6 address has colons of its own.
fn colon(authority: &str) -> Option<usize> {
    authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'))
}

fn has_port(authority: &str) -> bool {
    colon(authority.trim()).is_some()
}

/// Reads host and port; the same host is the same text.
fn parts(authority: &str, implied: u16) -> Option<(String, u16)> {
    let authority = authority.trim();
    let (host, port) = match colon(authority) {
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
    let asked = request.extensions().get::<Client>().map(|client| &client.asked);
    if !reads && !is_own(request.headers(), asked.unwrap_or(&Asked::default())) {
        return refusal(request.headers()).into_response();
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
            let https = origin.is_some_and(|origin| origin.to_ascii_lowercase().starts_with("https"));
            for https in [None, Some(https)] {
                let asked = Asked { https, ..Asked::default() };
                assert_eq!(is_own(&headers(host, origin), &asked), expected, "{origin:?} at {host}");
            }
        }
    }

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn another_scheme_is_another_site() {
        for (origin, https) in [
            ("http://ioc.hue.example", false),
            ("ws://ioc.hue.example", false),
            ("https://ioc.hue.example", true),
            ("WSS://ioc.hue.example", true),
        ] {
            let found = |https| {
                let asked = Asked { https, ..Asked::default() };
                is_own(&headers("ioc.hue.example", Some(origin)), &asked)
            };
            assert!(found(None) && found(Some(https)) && !found(Some(!https)), "{origin}");
        }
    }

    #[test]
    fn behind_a_proxy_host_and_port_are_those_that_it_was_asked_for() {
        type Case<'a> = (&'a [&'a str], &'a [u16], &'a str, bool);
        let cases: [Case<'_>; 11] = [
            (&[], &[], "https://ioc.hue.example", false),
            (&["ioc.hue.example"], &[], "https://ioc.hue.example", true),
            (&["ioc.hue.example", "inner:8080"], &[], "https://ioc.hue.example", true),
            (&["ioc.hue.example:443"], &[], "https://ioc.hue.example", true),
            (&["ioc.hue.example"], &[443], "https://ioc.hue.example:443", true),
            (&["ioc.hue.example"], &[8443], "https://ioc.hue.example:8443", true),
            (&["ioc.hue.example"], &[80], "https://ioc.hue.example", true),
            (&["ioc.hue.example"], &[8443], "https://ioc.hue.example:9443", false),
            (&["ioc.hue.example:8443"], &[443], "https://ioc.hue.example", false),
            (&["ioc.hue.example:8443"], &[443], "https://ioc.hue.example:8443", true),
            (&["ioc.hue.example"], &[8443], "https://evil.example:8443", false),
        ];
        for (hosts, ports, origin, expected) in cases {
            let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
            let asked = Asked { https: Some(true), hosts, ports: ports.to_vec() };
            let headers = headers("127.0.0.1:8080", Some(origin));
            assert_eq!(is_own(&headers, &asked), expected, "{origin} for {asked:?}");
        }
        let asked = Asked { https: Some(true), hosts: Vec::new(), ports: vec![8443] };
        let own = headers("ioc.hue.example", Some("https://ioc.hue.example:8443"));
        assert!(is_own(&own, &asked), "a proxy that passes Host on, without the port");
        let mut two = own.clone();
        two.append(header::ORIGIN, "https://ioc.hue.example:8443".parse().unwrap());
        assert!(!is_own(&two, &asked), "two origins");
    }
}
