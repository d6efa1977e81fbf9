//! Signing in, what the cookie is like, and promise 4: default deny.
use crate::support::{City, Client, rules};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn sign_in(client: &Client, name: &str, password: &str) -> crate::support::Reply {
    client.post("/api/v1/session", &json!({ "username": name, "password": password }))
}

fn attributes(cookie: &str) -> Vec<String> {
    cookie.split(';').skip(1).map(|part| part.trim().to_lowercase()).collect()
}

#[test]
fn a_session_lives_in_one_http_only_cookie_and_survives_a_restart() {
    let mut city = City::prepare("");
    city.start();
    let password = city.add_user("mai", "operator");
    let reply = sign_in(&city.client(), "mai", &password);
    let session = reply.expect(200);
    assert_eq!(session["user"], json!({ "name": "mai", "role": "operator" }));
    assert!(session["expires_at"].as_i64().is_some());
    let cookies: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "set-cookie").collect();
    assert_eq!(cookies.len(), 1);
    let cookie = &cookies[0].1;
    assert!(cookie.starts_with("ioc_session="), "{cookie}");
    let attributes = attributes(cookie);
    for wanted in ["httponly", "path=/"] {
        assert!(attributes.iter().any(|found| found == wanted), "{wanted} in {cookie}");
    }
    assert!(attributes.iter().any(|found| found == "samesite=strict" || found == "samesite=lax"), "{cookie}");
    assert!(attributes.iter().any(|found| found.starts_with("max-age=")), "{cookie}");
    assert!(
        !attributes.contains(&"secure".to_owned()),
        "over plain http a Secure cookie would never come back"
    );
    assert!(
        !reply.text().contains(cookie.split(['=', ';']).nth(1).unwrap()),
        "the secret is in the cookie alone"
    );

    let mai = city.client().with_cookie(cookie.split(';').next().unwrap());
    city.restart();
    assert_eq!(mai.get("/api/v1/session").expect(200)["user"]["name"], "mai");
    let mai_by_bearer = city.client().with_token(cookie.split(['=', ';']).nth(1).unwrap());
    assert_eq!(mai_by_bearer.get("/api/v1/session").status, 200);
    assert_eq!(mai.delete("/api/v1/session").status, 204);
    mai.get("/api/v1/session").problem(401);
    mai.get("/api/v1/devices").problem(401);
}

#[test]
fn behind_tls_the_cookie_is_secure() {
    let mut city = City::prepare("[http]\nbehind_tls = true\n");
    city.start();
    let password = city.add_user("mai", "operator");
    let reply = sign_in(&city.client(), "mai", &password);
    assert!(attributes(reply.header("set-cookie").unwrap()).contains(&"secure".to_owned()));
}

#[test]
fn a_wrong_password_and_an_unknown_name_look_alike_and_guessing_is_slowed() {
    let mut city = City::prepare("");
    city.start();
    let password = city.add_user("mai", "operator");
    let client = city.client();
    let wrong = sign_in(&client, "mai", "not the password").problem(401);
    assert_eq!(wrong, sign_in(&client, "nobody", "not the password").problem(401));
    let refused = (0..20).find_map(|_| {
        let reply = sign_in(&client, "mai", "not the password");
        (reply.status == 429).then_some(reply)
    });
    let refused = refused.expect("twenty wrong passwords in a row are slowed down");
    refused.problem(429);
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|s| s > 0)));
    city.add_user("lan", "viewer");
    // Others from the same address still get in; so does she, once the wait is over.
    let lan = city.add_user("hoa", "viewer");
    assert_eq!(sign_in(&client, "hoa", &lan).status, 200);
    drop(password);
}

/// Every path of the OpenAPI document that can be read without arguments, with its answer to nobody.
#[test]
fn nothing_is_for_nobody() {
    let mut city = City::prepare("");
    city.start();
    let nobody = city.client();
    let document = nobody.get("/api/v1/openapi.json").expect(200);
    let public = ["/health/live", "/health/ready", "/metrics", "/api/v1/openapi.json"];
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 20, "{} paths", paths.len());
    for (path, methods) in paths {
        let real = path.replace("{id}", "X").replace("{name}", "x");
        for method in methods.as_object().unwrap().keys().filter(|method| *method != "parameters") {
            let method = method.to_uppercase();
            if public.contains(&path.as_str()) || path == "/api/v1/session" {
                continue;
            }
            let reply = nobody.send(&method, &real, &[("Content-Type", "application/json")], b"{}");
            assert_eq!(reply.status, 401, "{method} {path}: {}", reply.text());
            let forged = nobody.with_cookie("ioc_session=forged").send(&method, &real, &[], b"{}");
            assert_eq!(forged.status, 401, "{method} {path} with a forged cookie");
        }
    }
    let hosts = nobody.get("/wall");
    assert_eq!(hosts.status, 200, "the wall's shell is public");
    assert!(
        hosts.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'"))
    );
}

#[test]
fn people_see_only_their_domains() {
    let mut city = City::prepare("");
    let of_lighting = [("environment", "lighting"), ("HighWater", "Dark"), ("name: water", "name: light")];
    let dark = of_lighting.iter().fold(rules::high_water(), |text, (from, to)| text.replace(from, to));
    city.write_rules("water.yaml", &rules::high_water());
    city.write_rules("light.yaml", &dark);
    city.start();
    city.device("WL-1", "water-level");
    city.device_in("lighting", "LUM-1", "luminaire");
    let added = city.ioc_json(&["user", "add", "den", "--role", "operator", "--domain", "lighting"]);
    let den = city.sign_in("den", added["password"].as_str().unwrap());
    let ids = |client: &Client| -> Vec<Value> {
        let list = client.get("/api/v1/devices").expect(200);
        list["items"].as_array().unwrap().iter().map(|device| device["id"].clone()).collect()
    };
    assert_eq!(ids(&den), ["LUM-1"]);
    den.get("/api/v1/devices/WL-1").problem(403);
    den.get("/api/v1/devices/WL-1/latest").problem(403);
    den.get("/api/v1/history?device=WL-1&property=water_level&from=0&to=1").problem(403);
    assert_eq!(ids(&city.user("vy", "viewer")), ["WL-1", "LUM-1"]);

    let domains = |path: &str| -> BTreeSet<String> {
        let list = den.get(path).expect(200);
        list["items"].as_array().unwrap().iter().map(|item| item["domain"].as_str().unwrap().into()).collect()
    };
    assert_eq!(domains("/api/v1/kpis"), ["lighting".to_owned()].into());
    assert_eq!(domains("/api/v1/rules"), ["lighting".to_owned()].into());
    let mut ws = city.ws(&den);
    ws.send(&json!({ "type": "subscribe", "channels": ["kpi"] }));
    let shown = ws.of_type("kpi")["items"].as_array().unwrap().len();
    assert!(
        0 < shown
            && shown
                < city.user("mai", "viewer").get("/api/v1/kpis").expect(200)["items"]
                    .as_array()
                    .unwrap()
                    .len()
    );
}

#[test]
fn who_is_restricted_gives_nobody_more() {
    let mut city = City::prepare("");
    city.start();
    city.add_user("root", "admin");
    let added = city.ioc_json(&["user", "add", "den", "--role", "admin", "--domain", "lighting"]);
    let den = city.sign_in("den", added["password"].as_str().unwrap());
    let user = |name: &str, domains: Value| json!({ "name": name, "password": "correct horse battery", "role": "admin", "domains": domains });
    den.post("/api/v1/users", &user("all", json!([]))).problem(403);
    den.post("/api/v1/users", &user("other", json!(["traffic"]))).problem(403);
    den.post("/api/v1/users", &user("same", json!(["lighting"]))).expect(201);
    den.patch("/api/v1/users/root", &json!({ "password": "correct horse battery" })).problem(403);
    den.post("/api/v1/display-tokens", &json!({ "name": "wall" })).problem(403);
}
