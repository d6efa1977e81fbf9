//! Which path leads where.
use super::{
    alerts, assets, city, client, devices,
    fair::{self, Work},
    hasty, headers, health, history, openapi, origin,
    problem::{self, Problem},
    records, request_id, rules, session,
    state::ApiState,
    stream_door,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, Method, Uri, header},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, patch, post},
};
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer};

/// Largest body of a sign-in: a name and a password.
const SIGN_IN_BYTES_MAX: usize = 16 * 1024;

/// Builds the router without any socket, so that tests can call it.
///
/// Units: `body_bytes_max` bounds request bodies, in bytes.
pub fn router(state: ApiState, body_bytes_max: usize) -> Router {
    let (trust, door) = (state.trust.clone(), state.door.clone());
    let closed = || Router::new().route("/metrics", get(no_metrics));
    let metrics = if state.metrics_open { metrics(&state) } else { closed() };
    let hasty = from_fn_with_state(state.clone(), hasty::guard);
    Router::new()
        .nest("/api/v1", api(&state))
        .merge(metrics)
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .fallback(assets::serve)
        .with_state(state)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(from_fn(origin::guard))
        .layer(from_fn_with_state(door, headers::add))
        .layer(CatchPanicLayer::custom(|_| Problem::internal("a handler panicked").into_response()))
        .layer(hasty)
        .layer(from_fn_with_state(trust, client::find))
        .layer(from_fn(request_id::assign))
}

/// Builds the router of a port that serves metrics and nothing else.
pub fn metrics_only(state: ApiState) -> Router {
    metrics(&state)
        .fallback(unknown)
        .layer(from_fn_with_state(state.clone(), hasty::guard))
        .layer(from_fn_with_state(state.trust.clone(), client::find))
        .layer(from_fn(request_id::assign))
        .with_state(state)
}

fn metrics(state: &ApiState) -> Router<ApiState> {
    let turn = from_fn_with_state((state.clone(), Work::Metrics), fair::turn);
    Router::new().route("/metrics", get(health::metrics).route_layer(turn))
}

fn api(state: &ApiState) -> Router<ApiState> {
    let at = |work: Work, route: MethodRouter<ApiState>| {
        route.route_layer(from_fn_with_state((state.clone(), work), fair::turn))
    };
    let lists = |route| at(Work::Lists, route);
    let history = |route| at(Work::History, route);
    let actions = |route| at(Work::Actions, route);
    // Whoever signs in is still a stranger, and may not fill memory.
    let small = DefaultBodyLimit::max(SIGN_IN_BYTES_MAX);
    Router::new()
        .route(
            "/session",
            post(session::sign_in).layer(small).get(session::current).delete(session::sign_out),
        )
        .route("/city", get(city::city))
        .route("/clock", get(city::clock))
        .route("/areas", lists(get(city::areas)))
        .route("/kpis", lists(get(city::kpis)))
        .route("/catalogue", lists(get(devices::catalogue)))
        .route("/devices", lists(get(devices::list)))
        .route("/devices/{id}", get(devices::get))
        .route("/devices/{id}/latest", get(devices::latest))
        .route("/history", history(get(history::series)))
        .route("/history/groups", history(get(history::groups)))
        .route("/history/top", history(get(history::top)))
        .route("/alerts", lists(get(alerts::list)))
        .route("/alerts/{id}", lists(get(alerts::get)))
        .route("/alerts/{id}/ack", actions(post(alerts::acknowledge)))
        .route("/alerts/{id}/resolve", actions(post(alerts::resolve)))
        .route("/alerts/{id}/note", actions(post(alerts::note)))
        .route("/rules", lists(get(rules::list)))
        .route("/rules/check", at(Work::Checks, post(rules::check)))
        .route("/quarantine", lists(get(records::quarantine)))
        .route("/audit", lists(get(records::audit)))
        .route("/users", lists(get(records::users)).merge(actions(post(records::add_user))))
        .route("/users/{name}", actions(patch(records::patch_user)))
        .route(
            "/display-tokens",
            lists(get(records::display_tokens)).merge(actions(post(records::add_display_token))),
        )
        .route("/display-tokens/{name}", actions(delete(records::remove_display_token)))
        .route("/stream", get(stream_door::upgrade))
        .route("/openapi.json", get(openapi::document))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state.clone(), fair::count))
        .layer(from_fn(problem::complete))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
}

async fn no_metrics() -> Problem {
    Problem::not_found("metrics are not served here; [http.metrics] of the configuration says where")
}

async fn unknown(uri: Uri) -> Response {
    Problem::not_found(format!("nothing is at {}; /api/v1/openapi.json lists what is", uri.path()))
        .into_response()
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let detail = format!("{method} is not possible on {}; /api/v1/openapi.json lists what is", uri.path());
    Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).into_response()
}
