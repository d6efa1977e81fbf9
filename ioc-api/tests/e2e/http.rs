//! The shape of answers: problem documents, unknown keys, cursors, the OpenAPI document, bad requests.
use crate::support::{City, now_ms, telemetry, until};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

#[test]
fn every_error_is_a_problem_document_that_says_what_would_be_right() {
    let mut city = City::prepare("[http]\nbody_max = \"4KiB\"\n");
    city.start();
    city.device("WL-1", "water-level");
    let admin = city.user("an", "admin");
    let nobody = city.client();
    let cases = [
        (nobody.get("/api/v1/devices"), 401, "sign in"),
        (admin.get("/api/v1/nothing"), 404, "openapi.json"),
        (admin.delete("/api/v1/devices"), 405, "DELETE"),
        (admin.get("/api/v1/devices/NONE"), 404, "NONE"),
        (admin.get("/api/v1/devices?colour=red"), 400, "colour"),
        (admin.get("/api/v1/devices?domain=roads"), 400, "roads"),
        (admin.get("/api/v1/devices?limit=0"), 400, "limit"),
        (admin.get("/api/v1/devices?limit=1001"), 400, "1000"),
        (admin.get("/api/v1/devices?cursor=zzz"), 400, "cursor"),
        (admin.get("/api/v1/devices?bbox=1,2,3"), 400, "bbox"),
        (admin.get("/api/v1/devices?status=sad"), 400, "offline"),
        (admin.get("/api/v1/alerts?cursor=zzz"), 400, "cursor"),
        (admin.get("/api/v1/alerts?state=maybe"), 400, "open"),
        (admin.get("/api/v1/alerts?from=yesterday"), 400, "RFC 3339"),
        (admin.get("/api/v1/quarantine?reason=because"), 400, "because"),
        (admin.get("/api/v1/quarantine?cursor=-1"), 400, "cursor"),
        (admin.get("/api/v1/audit?cursor=x"), 400, "cursor"),
        (admin.get("/api/v1/history?device=WL-1&property=water_level&from=0"), 400, "to"),
        (admin.get("/api/v1/history?device=WL-1&property=wetness&from=0&to=1"), 400, "wetness"),
        (admin.get("/api/v1/history?device=NONE&property=water_level&from=0&to=1"), 404, "NONE"),
        (admin.post("/api/v1/users", &json!({ "name": "x" })), 400, "password"),
        (
            admin.post(
                "/api/v1/users",
                &json!({ "name": "x", "password": "long enough, surely", "role": "king" }),
            ),
            400,
            "king",
        ),
        (admin.post("/api/v1/display-tokens", &json!({ "name": "a", "scope": "b" })), 400, "scope"),
        (admin.patch("/api/v1/users/none", &json!({ "disabled": true })), 404, "none"),
        (nobody.post("/api/v1/session", &json!({ "username": "a", "pasword": "b" })), 400, "pasword"),
    ];
    let mut ids = Vec::new();
    for (reply, status, word) in &cases {
        let detail = reply.problem(*status);
        assert!(detail.contains(word), "{detail:?} does not say {word:?}");
        ids.push(reply.json()["request_id"].clone());
    }
    let count = ids.len();
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    assert_eq!(ids.len(), count, "each request has its own id");

    let json_type = [("Content-Type", "application/json")];
    nobody.send("POST", "/api/v1/session", &json_type, b"{\"username\":").problem(400);
    nobody.send("POST", "/api/v1/session", &json_type, b"\xff\xfe").problem(400);
    nobody.send("POST", "/api/v1/session", &[("Content-Type", "text/plain")], b"{}").problem(415);
    let large = vec![b' '; 64 * 1024];
    nobody.send("POST", "/api/v1/session", &json_type, &large).problem(413);
    assert_eq!(nobody.get("/health/live").status, 200);
}

#[test]
fn the_log_has_every_refusal_under_its_request_id_and_no_secret() {
    let mut city = City::prepare("");
    city.start();
    let nobody = city.client();
    let refused = [
        (nobody.get("/api/v1/devices?token=s3cret"), "/api/v1/devices"),
        (nobody.get("/api/v1/nothing?token=s3cret"), "/api/v1/nothing"),
        (nobody.delete("/api/v1/devices"), "DELETE"),
        (nobody.post("/api/v1/session", &json!({ "username": "a", "password": ["s3cret"] })), "POST"),
        (nobody.post("/api/v1/session", &json!("s3cret")), "/api/v1/session"),
    ];
    let statuses = refused.each_ref().map(|(reply, _)| reply.status);
    assert_eq!(statuses, [401, 404, 405, 400, 400]);
    // Of the two with the same status the second may come too soon for a line of its own.
    for (reply, words) in &refused[..4] {
        let id = reply.header("x-request-id").unwrap();
        let lines: Vec<String> =
            city.log().lines().filter(|line| line.contains(id)).map(str::to_owned).collect();
        assert_eq!(lines.len(), 1, "{id}: {}", city.log());
        assert!(lines[0].contains(words) && lines[0].contains(&reply.status.to_string()), "{}", lines[0]);
    }
    assert!(!city.log().contains("s3cret"), "{}", city.log());
}

#[test]
fn a_request_of_another_site_is_refused() {
    let mut city = City::prepare("");
    city.start();
    let mai = city.user("mai", "operator");
    let foreign = [("Origin", "https://evil.example"), ("Content-Type", "application/json")];
    mai.send("POST", "/api/v1/rules/check", &foreign, b"groups: []").problem(403);
    let own = format!("http://{}", city.http_addr());
    assert_ne!(mai.send("GET", "/api/v1/devices", &[("Origin", &own)], b"").status, 403);
}

#[test]
fn the_openapi_document_is_the_committed_file() {
    let mut city = City::prepare("");
    city.start();
    let served = city.client().get("/api/v1/openapi.json");
    let committed = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap();
    assert_eq!(served.status, 200);
    assert!(served.text() == committed, "ioc-api/openapi.json is not what the server says");
    let document = served.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    for schema in ["Alert", "ProblemBody", "ServerMessage", "ClientMessage"] {
        assert!(document["components"]["schemas"][schema].is_object(), "{schema}");
    }
}

#[test]
fn lists_go_on_where_the_cursor_says() {
    let mut city = City::prepare("");
    city.start();
    let engineer = city.user("ky", "engineer");
    let tokens: Vec<String> = (1..=5).map(|n| city.device(&format!("WL-{n}"), "water-level")).collect();
    let pages = |path: &str, key: &str| -> Vec<String> {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let list = engineer.get(&format!("{path}?limit=2{cursor}")).expect(200);
            let items = list["items"].as_array().unwrap();
            assert!((1..=2).contains(&items.len()), "{list}");
            seen.extend(items.iter().map(|item| item[key].to_string()));
            match &list["next"] {
                Value::String(next) => cursor = format!("&cursor={next}"),
                next => {
                    assert_eq!(*next, Value::Null);
                    return seen;
                }
            }
        }
    };
    assert_eq!(pages("/api/v1/devices", "id"), ["\"WL-1\"", "\"WL-2\"", "\"WL-3\"", "\"WL-4\"", "\"WL-5\""]);

    let mut device = city.mqtt("WL-1", &tokens[0]);
    for n in 0..5 {
        device.publish(&telemetry("WL-1"), format!("broken {n}").as_bytes());
    }
    until("five in quarantine", || {
        let list = engineer.get("/api/v1/quarantine").expect(200);
        (list["items"].as_array()?.len() == 5).then_some(())
    });
    let expected: Vec<String> = (0..5).rev().map(|n| format!("\"broken {n}\"")).collect();
    assert_eq!(pages("/api/v1/quarantine", "payload"), expected, "newest first, each once");
    // What one may not see takes no place on a page.
    let added = city.ioc_json(&["user", "add", "den", "--role", "engineer", "--domain", "lighting"]);
    let den = city.sign_in("den", added["password"].as_str().unwrap());
    let token = city.device_in("lighting", "LUM-1", "luminaire");
    let mut lamp = city.mqtt("LUM-1", &token);
    for n in 0..3 {
        lamp.publish("ioc/v1/lighting/LUM-1/telemetry", format!("dark {n}").as_bytes());
    }
    for n in 0..5 {
        device.publish(&telemetry("WL-1"), format!("newer {n}").as_bytes());
    }
    until("thirteen in quarantine", || {
        let list = engineer.get("/api/v1/quarantine").expect(200);
        (list["items"].as_array()?.len() == 13).then_some(())
    });
    let page = den.get("/api/v1/quarantine?limit=2").expect(200);
    let payloads = |page: &Value| -> Vec<Value> {
        page["items"].as_array().unwrap().iter().map(|item| item["payload"].clone()).collect()
    };
    assert_eq!(payloads(&page), ["dark 2", "dark 1"]);
    let cursor = page["next"].as_str().unwrap();
    let page = den.get(&format!("/api/v1/quarantine?limit=2&cursor={cursor}")).expect(200);
    assert_eq!((payloads(&page), &page["next"]), (vec![Value::from("dark 0")], &Value::Null));
}

#[test]
fn devices_are_found_by_what_is_known_of_them() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let token = city.device("WL-1", "water-level");
    let label = ["--label", "street=le-loi"];
    let place = ["--lat", "16.40", "--lon", "107.50", "--domain", "lighting"];
    city.ioc_json(&[&["device", "add", "--id", "LUM-1", "--kind", "luminaire"][..], &place, &label].concat());
    let ids = |query: &str| -> Vec<String> {
        let list = vy.get(&format!("/api/v1/devices?{query}")).expect(200);
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|device| device["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids("domain=lighting"), ["LUM-1"]);
    assert_eq!(ids("domain=lighting,environment"), ["WL-1", "LUM-1"]);
    assert_eq!(ids("kind=water-level"), ["WL-1"]);
    assert_eq!(ids("q=le-loi"), ["LUM-1"]);
    assert_eq!(ids("q=wl-"), ["WL-1"]);
    assert_eq!(ids("bbox=107.55,16.45,107.65,16.50"), ["WL-1"]);
    let ward = vy.get("/api/v1/devices/WL-1").expect(200)["ward"].as_str().unwrap().to_owned();
    assert!(ids(&format!("ward={ward}")).contains(&"WL-1".to_owned()), "the ward comes from the position");

    let begun = now_ms();
    let mut device = city.mqtt("WL-1", &token);
    device.publish(&telemetry("WL-1"), &crate::support::one(begun, "water_level", 1.25));
    let latest = until("the latest value", || {
        let latest = vy.get("/api/v1/devices/WL-1/latest").expect(200);
        latest["items"].as_array()?.first().cloned()
    });
    assert_eq!((latest["property"].as_str(), latest["unit"].as_str()), (Some("water_level"), Some("m")));
    assert_eq!((latest["t"].as_i64(), latest["value"].as_f64()), (Some(begun), Some(1.25)));
    assert!(latest["arrival"].as_i64().is_some_and(|arrival| arrival >= begun));
    let online = |wanted: bool| {
        until("the connection state", || {
            let device = vy.get("/api/v1/devices/WL-1").expect(200);
            (device["online"] == wanted).then_some(())
        });
    };
    online(true);
    device.disconnect();
    online(false);
}

#[test]
fn garbage_on_the_web_port_harms_nobody() {
    let mut city = City::prepare("");
    city.start();
    let attempts: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\r\n\r\n",
        b"GET /api/v1/devices/%ff%00%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ];
    for bytes in attempts {
        let mut stream = TcpStream::connect(city.http_addr()).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("root:"), "a file from outside");
    }
    assert_eq!(city.client().get("/health/ready").status, 200);
}

#[test]
fn indicators_areas_city_and_catalogue_answer() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let kpis = vy.get("/api/v1/kpis").expect(200);
    let kpis = kpis["items"].as_array().unwrap();
    assert!(kpis.len() >= 10, "{} indicators", kpis.len());
    for kpi in kpis {
        for text in ["vi", "en"] {
            assert!(kpi["title"][text].as_str().is_some_and(|title| !title.is_empty()), "{kpi}");
        }
        assert!(kpi["normal"].is_array() || kpi["normal"].is_null(), "{kpi}");
    }
    let areas = vy.get("/api/v1/areas").expect(200);
    let wards = areas["features"].as_array().unwrap().iter();
    assert_eq!(wards.filter(|area| area["properties"]["layer"] == "ward").count(), 40);
    let facts = vy.get("/api/v1/city").expect(200);
    assert_eq!((facts["code"].as_str(), facts["sketch"].as_bool()), (Some("hue"), Some(true)));
    let catalogue = vy.get("/api/v1/catalogue").expect(200);
    assert!(
        catalogue["properties"].as_array().unwrap().iter().any(|property| property["name"] == "water_level")
    );
    assert!(catalogue["kinds"].as_array().unwrap().len() >= 10);
}
