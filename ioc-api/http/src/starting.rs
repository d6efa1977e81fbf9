//! What the web server answers while the operations center starts: that it is alive and how far it is.
use super::{headers::text, health, problem::Problem, request_id};
use arc_swap::ArcSwap;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::get,
};
use ioc_services::start_progress::{StartProgress, Status};
use std::sync::Arc;
use tower::ServiceExt;

/// Seconds after which it is worth asking again.
const RETRY_AFTER_S: u32 = 2;
/// The page loads nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Answers requests from the router that is in place at the moment. Clones share it.
#[derive(Clone)]
pub struct Switch(Arc<ArcSwap<Router>>);

impl Switch {
    /// Answers from `router` until another one is in place.
    pub fn new(router: Router) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(router)))
    }

    /// Answers from `router` from the next request on.
    pub fn set(&self, router: Router) {
        self.0.store(Arc::new(router));
    }

    /// Returns the router that does so, to be served.
    pub fn router(&self) -> Router {
        let switch = self.clone();
        Router::new().fallback(move |request: Request| {
            let current = Router::clone(&switch.0.load());
            async move { current.oneshot(request).await }
        })
    }
}

/// Builds the router for the time of the start.
pub fn router(progress: StartProgress) -> Router {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(ready))
        .fallback(everything_else)
        .with_state(progress)
        .layer(from_fn(request_id::assign))
}

async fn ready(State(progress): State<StartProgress>) -> Response {
    let text = format!("starting: {}\n", progress.status());
    later((StatusCode::SERVICE_UNAVAILABLE, text).into_response())
}

async fn everything_else(
    State(progress): State<StartProgress>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let status = progress.status();
    let accept = headers.get(header::ACCEPT).map(text).unwrap_or_default();
    if method == Method::GET && accept.contains("text/html") {
        return later(page(&status));
    }
    let detail = format!("the server is starting: {status}; ask again in {RETRY_AFTER_S} seconds");
    later(Problem::unavailable(detail).into_response())
}

fn later(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page that loads itself again until the real one is there.
fn page(status: &Status) -> Response {
    let percent = status.percent().map_or_else(String::new, |percent| format!(" · {percent} %"));
    let (vietnamese, english) = (status.phase.as_vietnamese(), status.phase.as_str());
    let html = format!(
        "<!doctype html>\n<html lang=\"vi\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"refresh\" content=\"{RETRY_AFTER_S}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Đang khởi động · Starting</title>\n\
         <h1>Đang khởi động…</h1>\n<p>Hệ thống đang {vietnamese}{percent}. Trang này tự mở khi sẵn sàng.</p>\n\
         <h2 lang=\"en\">Starting…</h2>\n\
         <p lang=\"en\">The server is {english}{percent}. This page opens by itself when it is ready.</p>\n</html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, html).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use ioc_services::start_progress::Phase;

    async fn ask(router: &Router, path: &str, accept: &str) -> (Response, String) {
        let request = Request::get(path).header(header::ACCEPT, accept).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 10_000).await.unwrap().to_vec()).unwrap();
        (Response::from_parts(head, Body::empty()), text)
    }

    #[tokio::test]
    async fn every_path_says_how_far_the_start_is_until_the_real_router_is_there() {
        let progress = StartProgress::default();
        let switch = Switch::new(router(progress.clone()));
        let served = switch.router();
        progress.enter_replay(Phase::HistoryReplay, 1, 200);
        progress.reached(50);
        assert_eq!(ask(&served, "/health/live", "*/*").await.0.status(), StatusCode::OK);
        let cases = [
            ("/health/ready", "*/*", "text/plain; charset=utf-8", "25 % (record 50 of 200)"),
            ("/api/v1/alerts", "*/*", "application/problem+json", "25 % (record 50 of 200)"),
            ("/api/v1/stream", "*/*", "application/problem+json", "request_id"),
            ("/metrics", "*/*", "application/problem+json", "starting"),
            ("/nothing", "application/json", "application/problem+json", "starting"),
            ("/wall", "text/html,*/*", "text/html; charset=utf-8", "Đang khởi động"),
            ("/", "text/html", "text/html; charset=utf-8", "25 %"),
        ];
        for (path, accept, kind, words) in cases {
            let (response, text) = ask(&served, path, accept).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_eq!(response.headers()[header::RETRY_AFTER], "2", "{path}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], kind, "{path}");
            assert!(text.contains(words), "{path}: {text}");
        }
        switch.set(Router::new().route("/wall", get(|| async { "the wall" })));
        assert_eq!(ask(&served, "/wall", "text/html").await.1, "the wall");
        assert_eq!(ask(&served, "/nothing", "*/*").await.0.status(), StatusCode::NOT_FOUND);
    }
}
