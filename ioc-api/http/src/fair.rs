//! Each caller's share of what requests cost: how many of them come, and how much expensive work they cause.
use super::{
    auth::Actor,
    client::Client,
    problem::Problem,
    state::ApiState,
    turns::{self, Refused, Turns},
};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use ioc_model::share::{Rate, Rates};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Kinds of work that do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Queries of history.
    History,
    /// Lists from memory and from the records.
    Lists,
    /// What people do: it never waits behind what people look at.
    Actions,
    /// Texts of rules to check.
    Checks,
    /// Scrapes.
    Metrics,
}

const KINDS: usize = 5;

/// What callers share; a clone is the same.
#[derive(Debug, Clone)]
pub struct Fair {
    turns: [Turns; KINDS],
    /// What sessions of the live stream read from the records, and large messages that they make.
    pub streams: Turns,
    rates: Arc<Mutex<Rates<Arc<str>>>>,
    begin: Instant,
}

impl Fair {
    /// Returns shares of `queries` at once of each kind, `per_caller` of one caller, and of requests at `rate`.
    pub fn new(queries: usize, per_caller: usize, rate: Rate) -> Self {
        Self {
            turns: std::array::from_fn(|_| Turns::new(queries, per_caller)),
            streams: Turns::new(queries, per_caller),
            rates: Arc::new(Mutex::new(Rates::new(rate))),
            begin: Instant::now(),
        }
    }

    /// Counts a request of `caller`.
    fn count(&self, caller: &Arc<str>) -> Result<(), Problem> {
        let now_ns = self.begin.elapsed().as_nanos() as u64;
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.take(Arc::clone(caller), 1, now_ns).map_err(|exceeded| {
            let wait = seconds(exceeded.wait);
            Problem::too_many(format!("too many requests of {caller}; wait {wait} s"), wait)
        })
    }
}

fn seconds(wait: Duration) -> u32 {
    (wait.as_secs_f64().ceil() as u32).max(1)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Caller => Self::too_many(
                "too many of your requests of this kind wait already; ask for them one by one",
                1,
            ),
            Refused::Busy => Self::unavailable("the server is busy with requests of this kind; try again"),
        }
    }
}

/// Reports whether a request signs somebody in. The throttle of sign-ins has shares of its own: counted here, guesses from
/// an address would keep everybody behind it from reaching it.
pub(super) fn is_sign_in(request: &Request) -> bool {
    request.method() == Method::POST && matches!(request.uri().path(), "/session" | "/api/v1/session")
}

/// Counts a request for whoever sent it.
pub async fn count(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if is_sign_in(&request) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    // Who sends a wrong secret is counted by address, as who sends none.
    let caller = match Actor::from_request_parts(&mut parts, &state).await {
        Ok(actor) => actor.caller.name,
        Err(_) => address(&parts),
    };
    match state.fair.count(&caller) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    }
}

fn address(parts: &axum::http::request::Parts) -> Arc<str> {
    let client = parts.extensions.get::<Client>();
    client.map_or_else(|| "unknown".into(), |client| format!("address:{}", client.network).into())
}

/// Answers when it is the caller's turn; who is not signed in gets no turn at anything but scrapes.
pub async fn turn(State((state, work)): State<(ApiState, Work)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match (work, Actor::from_request_parts(&mut parts, &state).await) {
        (_, Ok(actor)) => actor.caller.name,
        (Work::Metrics, Err(_)) => address(&parts),
        (_, Err(problem)) => return problem.into_response(),
    };
    match state.fair.turns[work as usize].take(&caller).await {
        Ok(turn) => turns::within(turn, next.run(Request::from_parts(parts, body))).await,
        Err(refused) => Problem::from(refused).into_response(),
    }
}
