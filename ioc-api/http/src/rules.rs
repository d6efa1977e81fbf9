//! Rules in force, and a check of a text before it becomes a file.
use super::{
    auth::Actor,
    dto::{RuleCheck, RuleDto, RuleErrorDto, RuleHealthDto, RuleList},
    problem::{Answer, Problem, ProblemBody},
    state::ApiState,
};
use axum::{Json, extract::State};
use ioc_identity::{Action, Resource};
use ioc_model::{alert::Text, share::Full};
use ioc_rules::{Rule, RuleError, RuleFile, RuleHealth, RuleState};

/// Lists the rules in force in the caller's domains and how they stand; also why the files on disk are not in force, if they are not.
#[utoipa::path(get, path = "/api/v1/rules", operation_id = "listRules", tag = "rules",
    responses((status = 200, body = RuleList), (status = 401, body = ProblemBody)))]
pub async fn list(State(state): State<ApiState>, actor: Actor) -> Json<RuleList> {
    let in_force = state.rules.in_force();
    let states = state.engine.rule_states();
    let seen = in_force.rules.rules().iter().filter(|rule| actor.may_see_all_of(rule.domain));
    let items = seen.map(|rule| {
        let standing = states.iter().find(|state| state.name == rule.name);
        dto(rule, standing)
    });
    Json(RuleList {
        items: items.collect(),
        next: None,
        errors: in_force.errors.iter().map(error_dto).collect(),
        loaded_at: in_force.loaded_at_ms,
    })
}

fn dto(rule: &Rule, standing: Option<&RuleState>) -> RuleDto {
    let annotation = |name: &str| rule.annotations.get(name).map(|text| text.to_string()).unwrap_or_default();
    let last_error = standing.and_then(|standing| match &standing.health {
        RuleHealth::Ok => None,
        RuleHealth::Failing { error, .. } => Some(error.clone()),
    });
    RuleDto {
        name: rule.name.to_string(),
        group: rule.group.to_string(),
        expr: rule.query.text.to_string(),
        clear: rule.clear.as_ref().map(|clear| clear.text.to_string()),
        for_s: rule.for_ms as f64 / 1000.0,
        severity: rule.severity,
        domain: rule.domain,
        summary: Text { vi: annotation("summary_vi"), en: annotation("summary_en") },
        file: rule.file.to_string(),
        line: rule.line,
        health: if last_error.is_some() { RuleHealthDto::Error } else { RuleHealthDto::Ok },
        last_error,
        firing: standing.map_or(0, |standing| standing.firing),
        pending: standing.map_or(0, |standing| standing.pending),
    }
}

fn error_dto(error: &RuleError) -> RuleErrorDto {
    RuleErrorDto {
        file: error.file.clone(),
        line: error.line,
        column: error.column,
        message: error.message.clone(),
        help: error.help.clone(),
    }
}

/// Checks the text of one rule file; nothing is stored. A person has one check at a time.
#[utoipa::path(post, path = "/api/v1/rules/check", operation_id = "checkRules", tag = "rules", request_body(content = String, content_type = "text/plain"),
    responses((status = 200, body = RuleCheck), (status = 403, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn check(State(state): State<ApiState>, actor: Actor, text: String) -> Answer<Json<RuleCheck>> {
    actor.must(Action::CheckRules, &Resource::City)?;
    let place = state.rules.checks().place(actor.name()).map_err(no_place)?;
    let file = RuleFile { path: "request".to_owned(), text };
    // Aside from the threads that answer everybody.
    let errors = tokio::task::spawn_blocking(move || place.check(file)).await.map_err(Problem::internal)?;
    Ok(Json(RuleCheck { errors: errors.iter().map(error_dto).collect() }))
}

fn no_place(full: Full) -> Problem {
    match full {
        Full::Caller => Problem::too_many(
            "another rule check of yours is under way; send the next one when it is answered",
            1,
        ),
        Full::All => Problem::unavailable("others are checking rules; try again in a second"),
    }
}
