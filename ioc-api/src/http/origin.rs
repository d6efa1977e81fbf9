//! Requests that another site made a browser send are refused: a foreign `Origin` may neither change anything nor
//! open the live stream. Without `Origin` it was no browser.
use super::problem::Problem;
use axum::{
    extract::Request,
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Says whether the request's origin is this host, or absent.
pub fn is_own(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, authority)), Some(host)) if authority.eq_ignore_ascii_case(host))
}

/// Refuses foreign origins on everything but reading.
pub async fn guard(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads && !is_own(request.headers()) {
        return Problem::forbidden("this request comes from another site").into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "ioc.hue.example:8080".parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_foreign_origins_are_refused() {
        assert!(is_own(&headers(None)));
        assert!(is_own(&headers(Some("https://ioc.hue.example:8080"))));
        for foreign in ["https://evil.example", "null", "http://ioc.hue.example"] {
            assert!(!is_own(&headers(Some(foreign))), "{foreign}");
        }
    }
}
