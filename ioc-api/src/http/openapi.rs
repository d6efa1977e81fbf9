//! The OpenAPI document, from the handlers' own types. `ioc-api/openapi.json` is the committed copy; a test fails
//! when it is out of date.
use super::{alerts, city, devices, health, history, problem::ProblemBody, records, rules, session, stream};
use crate::stream::protocol::{Channel, ClientMessage, KpiValue, ServerMessage, TableDevice};
use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use std::sync::LazyLock;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(title = "IOC API", description = "The operations center of a smart city: devices, history, alerts, rules, live stream. Times are integer milliseconds since the Unix epoch, UTC."),
    paths(
        session::sign_in, session::current, session::sign_out, city::city, city::areas, city::kpis,
        devices::catalogue, devices::list, devices::get, devices::latest,
        history::series, history::groups, history::top,
        alerts::list, alerts::get, alerts::acknowledge, alerts::resolve, alerts::note,
        rules::list, rules::check, records::quarantine, records::audit, records::users, records::add_user,
        records::patch_user, records::display_tokens, records::add_display_token, records::remove_display_token, stream::upgrade, document, health::live, health::ready, health::metrics,
    ),
    components(schemas(ProblemBody, ClientMessage, ServerMessage<'static>, Channel, TableDevice, KpiValue))
)]
struct Document;

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
    ([(header::CONTENT_TYPE, "application/json")], JSON.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let current = super::json();
        if std::env::var_os("IOC_WRITE_OPENAPI").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == current,
            "ioc-api/openapi.json is out of date: IOC_WRITE_OPENAPI=1 cargo test -p ioc-api openapi, then npm run generate in dashboards/"
        );
    }
}
