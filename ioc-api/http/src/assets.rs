//! The front end, from the binary: hashed files for ever, pages fresh, compressed as they were built.
use super::{headers::text, problem::Problem, state::ApiState};
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    response::{IntoResponse, Response},
};
use std::collections::HashMap;

/// The files of the front end by path, with `/` before it; compressed ones beside them as `.br` and `.gz`.
pub struct Assets(HashMap<&'static str, &'static [u8]>);

impl Assets {
    /// Takes a table of paths and contents.
    pub fn new(files: &[(&'static str, &'static [u8])]) -> Self {
        Self(files.iter().copied().collect())
    }
}

/// Answers with a file of the front end; `/` is the console, `/wall` the wall.
pub(crate) async fn serve(
    State(state): State<ApiState>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    answer(&state.assets, &method, &uri, &headers)
}

fn answer(assets: &Assets, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    if *method != Method::GET && *method != Method::HEAD {
        return Problem::not_found(format!("nothing takes {method} at {}", uri.path())).into_response();
    }
    let path = match uri.path() {
        "/wall" | "/wall/" => "/wall.html",
        path if assets.0.contains_key(path) && !is_compressed(path) => path,
        // The console keeps its own routes in the path.
        path if !path.rsplit('/').next().unwrap_or("").contains('.') => "/index.html",
        path => return Problem::not_found(format!("nothing is at {path}")).into_response(),
    };
    file(assets, path, headers)
}

fn is_compressed(path: &str) -> bool {
    path.ends_with(".gz") || path.ends_with(".br")
}

fn file(assets: &Assets, path: &str, headers: &HeaderMap) -> Response {
    let variants = [("br", ".br"), ("gzip", ".gz"), ("", "")];
    let found = variants.iter().filter(|(coding, _)| coding.is_empty() || accepts(headers, coding)).find_map(
        |(coding, suffix)| assets.0.get(format!("{path}{suffix}").as_str()).map(|bytes| (*coding, *bytes)),
    );
    let Some((coding, bytes)) = found else {
        return Problem::not_found(format!("nothing is at {path}")).into_response();
    };
    let mut response = Bytes::from_static(bytes).into_response();
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    set.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let hashed = path.starts_with("/assets/");
    let cache = if hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if !coding.is_empty() {
        set.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// Reports whether the client takes a coding: names have no case, `q=0` is a no, `*` is all that is not named
/// (RFC 9110 §12.5.3).
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let lines: Vec<_> = headers.get_all(header::ACCEPT_ENCODING).iter().map(text).collect();
    let mut all = false;
    for part in lines.iter().flat_map(|line| line.split(',')) {
        let mut pieces = part.split(';').map(str::trim);
        let name = pieces.next().unwrap_or("");
        let weight = pieces
            .filter_map(|piece| piece.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case("q"));
        let wanted = weight.is_none_or(|(_, q)| q.trim().parse::<f32>().is_ok_and(|q| q > 0.0));
        if name.eq_ignore_ascii_case(coding) {
            return wanted;
        }
        all |= name == "*" && wanted;
    }
    all
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("woff") => "font/woff",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    #[test]
    fn codings_are_taken_as_the_client_says() {
        let cases: [(&[&str], bool); 10] = [
            (&[], false),
            (&["gzip, br"], true),
            (&["gzip", "br"], true),
            (&["BR"], true),
            (&["br;q=1.0"], true),
            (&["br; Q=0.5 , gzip"], true),
            (&["br;q=0"], false),
            (&["br ; q=0.000, *"], false),
            (&["*"], true),
            (&["brotli, *;q=0"], false),
        ];
        for (lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT_ENCODING, line.parse().unwrap());
            }
            assert_eq!(accepts(&headers, "br"), expected, "{lines:?}");
        }
    }

    fn get(path: &str, encoding: &str) -> Response {
        let files: [(&'static str, &'static [u8]); 4] = [
            ("/index.html", b"console"),
            ("/wall.html", b"wall"),
            ("/assets/a.js", b"1"),
            ("/assets/a.js.br", b"2"),
        ];
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, encoding.parse().unwrap());
        answer(&Assets::new(&files), &Method::GET, &path.parse().unwrap(), &headers)
    }

    #[test]
    fn pages_and_hashed_files_are_served() {
        for path in ["/", "/wall", "/devices/WL-KIMLONG"] {
            let response = get(path, "");
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        }
        let response = get("/assets/a.js", "gzip, br");
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "br");
        assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(get("/assets/nothing.js", "").status(), StatusCode::NOT_FOUND);
    }
}
