//! Which path leads where.
use super::{
    alerts, assets, city, devices, health, history, openapi, origin,
    problem::{self, Problem},
    records, request_id, rules, session,
    state::ApiState,
    stream,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, Uri, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post},
};
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer};

/// What pages may load: everything from this host alone, no script and no style within a page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; \
     style-src 'self'; font-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";

/// Builds the router without any socket, so that tests can call it.
///
/// Units: `body_bytes_max` bounds request bodies, in bytes.
pub fn router(state: ApiState, body_bytes_max: usize) -> Router {
    let api = Router::new()
        .route("/session", post(session::sign_in).get(session::current).delete(session::sign_out))
        .route("/city", get(city::city))
        .route("/clock", get(city::clock))
        .route("/areas", get(city::areas))
        .route("/kpis", get(city::kpis))
        .route("/catalogue", get(devices::catalogue))
        .route("/devices", get(devices::list))
        .route("/devices/{id}", get(devices::get))
        .route("/devices/{id}/latest", get(devices::latest))
        .route("/history", get(history::series))
        .route("/history/groups", get(history::groups))
        .route("/history/top", get(history::top))
        .route("/alerts", get(alerts::list))
        .route("/alerts/{id}", get(alerts::get))
        .route("/alerts/{id}/ack", post(alerts::acknowledge))
        .route("/alerts/{id}/resolve", post(alerts::resolve))
        .route("/alerts/{id}/note", post(alerts::note))
        .route("/rules", get(rules::list))
        .route("/rules/check", post(rules::check))
        .route("/quarantine", get(records::quarantine))
        .route("/audit", get(records::audit))
        .route("/users", get(records::users).post(records::add_user))
        .route("/users/{name}", patch(records::patch_user))
        .route("/display-tokens", get(records::display_tokens).post(records::add_display_token))
        .route("/display-tokens/{name}", delete(records::remove_display_token))
        .route("/stream", get(stream::upgrade))
        .route("/openapi.json", get(openapi::document))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(problem::complete))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ));
    Router::new()
        .nest("/api/v1", api)
        .route("/metrics", get(health::metrics))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .fallback(assets::serve)
        .with_state(state)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(from_fn(origin::guard))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(CatchPanicLayer::custom(|_| Problem::internal("a handler panicked").into_response()))
        .layer(from_fn(request_id::assign))
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

async fn unknown(uri: Uri) -> Response {
    Problem::not_found(format!("nothing is at {}; /api/v1/openapi.json lists what is", uri.path()))
        .into_response()
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let detail = format!("{method} is not possible on {}; /api/v1/openapi.json lists what is", uri.path());
    Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).into_response()
}
