//! How the web is entered: through proxies, over HTTPS, with which secrets, and what browsers are told.
use crate::support::{
    City, Client, Reply, Ws, ports,
    tls::{self, write_pair},
    until,
};
use serde_json::json;
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
};
const HTTPS: [(&str, &str); 2] = [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https")];
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn sign_in(client: &Client, headers: &[(&str, &str)], password: &str) -> Reply {
    let body = json!({ "username": "mai", "password": password }).to_string();
    client.send("POST", "/api/v1/session", &[headers, &[JSON]].concat(), body.as_bytes())
}

/// Where the newest sign-in came from, as the audit trail has it.
fn newest_address(admin: &Client) -> String {
    let audit = admin.get("/api/v1/audit").expect(200);
    let items = audit["items"].as_array().unwrap().iter();
    let mut starts = items.filter(|entry| entry["action"] == "session.start" && entry["actor"] == "mai");
    starts.next().unwrap()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_trusted_proxy_says_who_the_client_is_and_nobody_else_does() {
    for (trusted, address, secure) in [("127.0.0.0/8", "192.0.2.7", true), ("10.0.0.0/8", "127.0.0.1", false)]
    {
        let mut city = City::prepare(&format!("[http]\ntrusted_proxies = [\"{trusted}\"]\n"));
        city.start();
        let admin = city.user("root", "admin");
        let password = city.add_user("mai", "operator");
        let reply = sign_in(&city.client(), &HTTPS, &password);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let detail = newest_address(&admin);
        assert!(detail.contains(address), "{detail} with {trusted} trusted");
        let cookie = reply.header("set-cookie").unwrap().to_owned();
        assert_eq!(cookie.starts_with("__Host-ioc_session="), secure, "{cookie}");
        assert_eq!(cookie.contains("; Secure"), secure, "{cookie}");
        assert_eq!(reply.header("strict-transport-security").is_some(), secure);
        let mai = city.client().with_cookie(cookie.split(';').next().unwrap());
        assert_eq!(mai.send("GET", "/api/v1/session", &HTTPS, b"").status, 200);
        // A cookie of HTTPS is none without it.
        assert_eq!(mai.get("/api/v1/session").status, if secure { 401 } else { 200 });
        let gone = mai.send("DELETE", "/api/v1/session", &HTTPS, b"");
        assert_eq!(gone.status, 204);
        assert_eq!(mai.send("GET", "/api/v1/session", &HTTPS, b"").status, 401);
    }
}

#[test]
fn clients_of_a_proxy_have_shares_of_their_own() {
    let config =
        "[http]\ntrusted_proxies = [\"127.0.0.1\"]\n[http.limits]\nrequest_rate = 1\nrequest_burst = 30\n";
    let mut city = City::prepare(config);
    city.start();
    let ask = |client: &str| {
        city.client()
            .send("GET", "/api/v1/openapi.json", &[("Forwarded", &format!("for={client}"))], b"")
            .status
    };
    assert!((0..100).any(|_| ask("192.0.2.1") == 429));
    assert_eq!(ask("192.0.2.2"), 200);
    assert_eq!(ask("\"[2001:db8::1]:99\""), 200);
}

#[test]
fn origins_are_compared_as_browsers_and_proxies_write_them() {
    let mut city = City::prepare("[http]\ntrusted_proxies = [\"127.0.0.1\"]\n");
    city.start();
    let mai = city.user("mai", "engineer");
    // Over HTTPS the cookie has another name.
    let session = mai.auth().unwrap().1.split('=').nth(1).unwrap().to_owned();
    let mai = city.client().with_token(&session);
    let status = |headers: &[(&str, &str)]| {
        let headers = [headers, &[("Content-Type", "text/plain")]].concat();
        mai.send("POST", "/api/v1/rules/check", &headers, b"groups: []").status
    };
    let behind = |origin| {
        status(&[
            ("Origin", origin),
            ("X-Forwarded-Host", "ioc.hue.example"),
            ("X-Forwarded-For", "192.0.2.1"),
        ])
    };
    assert_eq!(behind("https://ioc.hue.example"), 200);
    assert_eq!(behind("https://IOC.hue.example:443"), 200);
    assert_eq!(behind("https://evil.example"), 403);
    let chain = [
        ("X-Forwarded-Host", "ioc.hue.example, inner"),
        ("X-Forwarded-Port", "8443"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-For", "192.0.2.1"),
    ];
    let through = |origin| status(&[&chain[..], &[("Origin", origin)]].concat());
    assert_eq!(through("https://ioc.hue.example:8443"), 200);
    assert_eq!(through("http://ioc.hue.example:8443"), 403, "another scheme");
    assert_eq!(status(&[("Origin", "https://ioc.hue.example")]), 403);
}

#[test]
fn secrets_stand_in_headers_and_a_wall_alone_may_show_its_token_in_the_address() {
    let mut city = City::prepare("");
    city.start();
    let admin = city.user("root", "admin");
    let password = city.add_user("mai", "operator");
    let cookie = sign_in(&city.client(), &[], &password).header("set-cookie").unwrap().to_owned();
    let session = cookie.split(['=', ';']).nth(1).unwrap();
    let token = admin.post("/api/v1/display-tokens", &json!({ "name": "wall" })).expect(201);
    let wall = token["token"].as_str().unwrap();
    let client = city.client();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        for secret in [session, wall] {
            let header = format!("{scheme} {secret}");
            let reply = client.send("GET", "/api/v1/city", &[("Authorization", &header)], b"");
            assert_eq!(reply.status, 200, "{scheme}: {}", reply.text());
        }
    }
    let detail = client.get(&format!("/api/v1/city?token={session}")).problem(401);
    assert!(detail.contains("display token") && detail.contains("Authorization"), "{detail}");
    assert!(Ws::with_token(&client, session).is_err());
    assert!(Ws::with_token(&client, wall).is_ok());
    let encoded: String = wall.bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert!(Ws::with_token(&client, &encoded).is_ok());
    for path in ["city", "devices", "alerts", "history"] {
        let detail = client.get(&format!("/api/v1/{path}?token={wall}")).problem(401);
        assert!(detail.contains("at the live stream alone"), "{path}: {detail}");
    }
}

#[test]
fn browsers_are_told_what_a_page_may_do() {
    let mut city = City::prepare("");
    city.start();
    for path in ["/", "/wall", "/api/v1/devices", "/nothing.js", "/health/live"] {
        let reply = city.client().get(path);
        let header =
            |name: &str| reply.header(name).unwrap_or_else(|| panic!("{path} without {name}")).to_owned();
        assert!(header("permissions-policy").contains("camera=()"));
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(header("cross-origin-embedder-policy"), "require-corp");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert!(header("content-security-policy").contains("default-src 'none'"));
        assert!(reply.header("strict-transport-security").is_none(), "over plain http");
    }
}

#[test]
fn metrics_can_be_closed_or_served_elsewhere() {
    let port = ports::free();
    let mut city = City::prepare(&format!("[http.metrics]\nopen = false\nlisten = \"127.0.0.1:{port}\"\n"));
    city.start();
    city.client().get("/metrics").problem(404);
    let elsewhere = Client::new(SocketAddr::from(([127, 0, 0, 1], port)));
    let page = elsewhere.get("/metrics");
    assert!(page.status == 200 && page.text().contains("ioc_http_accepted_total"));
    elsewhere.get("/api/v1/openapi.json").problem(404);
    assert_eq!(elsewhere.get("/").status, 404);
}

/// Asks over HTTPS and trusts one certificate alone; `None` when the server has another.
fn ask_https(port: u16, certificate: &Path, request: &str) -> Option<String> {
    let mut stream = tls::open(SocketAddr::from(([127, 0, 0, 1], port)), certificate)?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // A server that closes without a farewell is no reason to doubt what came before.
    let _ = stream.read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).to_lowercase())
}

#[test]
fn https_of_our_own_renews_its_certificate_and_leads_there() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    write_pair(&certificate, &key);
    let port = ports::free();
    let mut city = City::prepare(&format!(
        "[http.tls]\nlisten = \"127.0.0.1:{port}\"\ncertificate = {certificate:?}\nkey = {key:?}\nredirect = true\n"
    ));
    city.start();

    // The plain port leads there; health checks and metrics stay.
    let lead = city.client().get("/wall?x=1");
    assert_eq!(lead.status, 308);
    assert_eq!(lead.header("location"), Some(format!("https://127.0.0.1:{port}/wall?x=1").as_str()));
    assert_eq!(city.client().get("/health/ready").status, 200);

    let password = city.add_user("mai", "operator");
    let body = json!({ "username": "mai", "password": password }).to_string();
    let request = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask_https(port, &certificate, &request).unwrap();
    assert!(
        answer.starts_with("http/1.1 200") && answer.contains("set-cookie: __host-ioc_session="),
        "{answer}"
    );
    assert!(
        answer.contains("; secure") && answer.contains("strict-transport-security: max-age=31536000"),
        "{answer}"
    );

    // Plain HTTP and silence at the encrypted port harm nobody.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let _silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();

    // A broken renewal keeps the certificate and is told; a good one is served without a restart.
    let old = dir.path().join("old.pem");
    fs::copy(&certificate, &old).unwrap();
    fs::write(&key, "no key").unwrap();
    until("the log says that the new certificate cannot be used", || {
        city.log().contains("the new certificate of HTTPS cannot be used").then_some(())
    });
    let live = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(ask_https(port, &old, live).is_some_and(|answer| answer.starts_with("http/1.1 200")));
    write_pair(&certificate, &key);
    until("the new certificate", || {
        ask_https(port, &certificate, live).filter(|answer| answer.starts_with("http/1.1 200"))
    });
    let expires = city.metrics().get("ioc_https_certificate_expires_seconds");
    assert!(expires > 1e9, "{expires}");
}

#[test]
fn a_certificate_that_cannot_be_used_refuses_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    write_pair(&certificate, &key);
    fs::write(&key, "no key").unwrap();
    let city = City::prepare(&format!("[http.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"));
    let output = crate::support::process::run(&mut city.serve());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("key.pem") && said.contains("PEM"), "{said}");
}
