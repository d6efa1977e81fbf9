//! The OpenAPI document, from the handlers' own types. `ioc-api/openapi.json` is the committed copy; a test fails
//! when it is out of date.
use super::{
    alerts, city, devices, health, history,
    problem::{PROBLEM_TYPE, ProblemBody},
    records, rules, session, stream_door,
};
use crate::stream::protocol::{Channel, ClientMessage, ServerMessage, TableDevice};
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use ioc_services::indicators::KpiValue;
use std::sync::LazyLock;
use utoipa::{
    Modify, OpenApi,
    openapi::{self, PathItem, RefOr, path::Operation},
};

const JSON_TYPE: &str = "application/json";

#[derive(OpenApi)]
#[openapi(
    info(title = "IOC API", description = "The operations center of a smart city: devices, history, alerts, rules, live stream. Times are integer milliseconds since the Unix epoch, UTC."),
    paths(
        session::sign_in, session::current, session::sign_out, city::city, city::clock, city::areas, city::kpis,
        devices::catalogue, devices::list, devices::get, devices::latest,
        history::series, history::groups, history::top,
        alerts::list, alerts::get, alerts::acknowledge, alerts::resolve, alerts::note,
        rules::list, rules::check, records::quarantine, records::audit, records::users, records::add_user,
        records::patch_user, records::display_tokens, records::add_display_token, records::remove_display_token, stream_door::upgrade, document, health::live, health::ready, health::metrics,
    ),
    components(schemas(ProblemBody, ClientMessage, ServerMessage<'static>, Channel, TableDevice, KpiValue, alerts::AlertScope, ioc_services::DeviceStatus)),
    modifiers(&Answers)
)]
struct Document;

/// What holds for every answer and is not repeated at each handler: errors are sent as problem documents, and the
/// standard wants a description.
struct Answers;

impl Modify for Answers {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let operations = document.paths.paths.values_mut().flat_map(operations);
        for (status, answer) in operations.flat_map(|operation| &mut operation.responses.responses) {
            if let (Ok(status), RefOr::T(answer)) = (status.parse(), answer) {
                complete(status, answer);
            }
        }
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [get, put, post, delete, patch].into_iter().flatten()
}

fn complete(status: StatusCode, answer: &mut openapi::Response) {
    if answer.description.is_empty() {
        answer.description = status.canonical_reason().unwrap_or_default().to_owned();
    }
    let is_error = status.is_client_error() || status.is_server_error();
    if is_error && let Some(body) = answer.content.swap_remove(JSON_TYPE) {
        answer.content.insert(PROBLEM_TYPE.to_owned(), body);
    }
}

static JSON: LazyLock<String> = LazyLock::new(json);

/// Returns the document as the committed file has it.
pub fn json() -> String {
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Returns this document.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "getOpenApi", tag = "health", responses((status = 200, description = "OpenAPI document")))]
pub async fn document() -> Response {
    ([(header::CONTENT_TYPE, JSON_TYPE)], JSON.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value};
    use std::collections::BTreeSet;

    #[test]
    fn the_committed_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.json");
        let current = super::json();
        if std::env::var_os("IOC_WRITE_OPENAPI").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == current,
            "ioc-api/openapi.json is out of date: IOC_WRITE_OPENAPI=1 cargo test -p ioc-http openapi, then npm run generate in dashboards/"
        );
    }

    /// Path, method and description of every operation.
    fn operations() -> Vec<(String, String, Value)> {
        let document: Value = serde_json::from_str(&super::json()).unwrap();
        let object = |value: &Value| -> Map<String, Value> { value.as_object().unwrap().clone() };
        let of_path = |(path, item): (String, Value)| {
            object(&item).into_iter().map(move |(method, operation)| (path.clone(), method, operation))
        };
        object(&document["paths"]).into_iter().flat_map(of_path).collect()
    }

    fn parameters(operation: &Value) -> impl Iterator<Item = &Value> {
        operation["parameters"].as_array().into_iter().flatten()
    }

    #[test]
    fn path_parameters_are_those_of_the_path() {
        for (path, method, operation) in operations() {
            let declared: BTreeSet<&str> = parameters(&operation)
                .filter(|parameter| parameter["in"] == "path")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            let in_path: BTreeSet<&str> = path
                .split(['{', '}'])
                .enumerate()
                .filter(|(n, _)| n % 2 == 1)
                .map(|(_, name)| name)
                .collect();
            assert_eq!(declared, in_path, "{method} {path}");
        }
    }

    #[test]
    fn filters_may_be_left_out_and_what_history_is_of_may_not() {
        let required = |wanted: &str| -> Vec<String> {
            let (_, _, operation) = operations().into_iter().find(|(path, ..)| path == wanted).unwrap();
            let of_query = parameters(&operation).filter(|parameter| parameter["in"] == "query");
            let required = of_query.filter(|parameter| parameter["required"] == true);
            required.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
        };
        assert!(required("/api/v1/alerts").is_empty());
        assert_eq!(required("/api/v1/history"), ["device", "property", "from", "to"]);
    }

    #[test]
    fn every_answer_is_described_and_errors_are_problem_documents() {
        for (path, method, operation) in operations() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let place = format!("{method} {path} {status}");
                assert!(answer["description"].as_str().is_some_and(|text| !text.is_empty()), "{place}");
                // Probes read plain text.
                if status.parse::<u16>().unwrap() >= 400 && !path.starts_with("/health/") {
                    let types: Vec<&String> = answer["content"].as_object().unwrap().keys().collect();
                    assert_eq!(types, [PROBLEM_TYPE], "{place}");
                }
            }
        }
    }
}
