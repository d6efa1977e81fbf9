//! Signing in, what the cookie is like, and promise 4: default deny.
use crate::support::{City, Client, Reply, Ws, rules, within};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

fn sign_in(client: &Client, name: &str, password: &str) -> Reply {
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
    let cookies = cookies(&reply);
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    let (cookie, browser) = (&cookies[0], &cookies[1]);
    assert!(cookie.starts_with("ioc_session="), "{cookie}");
    assert!(
        browser.starts_with("ioc_browser=") && browser.contains("; HttpOnly; SameSite=Strict"),
        "{browser}"
    );
    assert!(!reply.text().contains(browser.split(['=', ';']).nth(1).unwrap()));
    let by_browser = city.client().with_cookie(browser.split(';').next().unwrap());
    assert_eq!(by_browser.get("/api/v1/devices").status, 401, "to know a browser is not to let it in");
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
    for cookie in cookies(&reply) {
        assert!(attributes(&cookie).contains(&"secure".to_owned()), "{cookie}");
    }
}

fn cookies(reply: &Reply) -> Vec<String> {
    let set = reply.headers.iter().filter(|(name, _)| name == "set-cookie");
    set.map(|(_, value)| value.clone()).collect()
}

/// The cookie by which the browser of a sign-in is known, as it sends it back.
fn browser(reply: &Reply) -> String {
    let found = cookies(reply).into_iter().find(|cookie| cookie.starts_with("ioc_browser="));
    found.unwrap().split(';').next().unwrap().to_owned()
}

/// Tries until it is let in, as often as the server says. Returns how many tries it took.
fn sign_in_patiently(client: &Client, name: &str, password: &str) -> u32 {
    for tries in 1..20 {
        let reply = sign_in(client, name, password);
        if reply.status == 200 {
            return tries;
        }
        assert!([429, 503].contains(&reply.status), "{}", reply.text());
        let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=30).contains(&seconds), "{seconds}");
        std::thread::sleep(std::time::Duration::from_secs(seconds));
    }
    panic!("the right password was not let in");
}

#[test]
fn a_wrong_password_and_an_unknown_name_look_alike_and_guessing_is_slowed() {
    let mut city = City::prepare("");
    city.start();
    let password = city.add_user("mai", "operator");
    let client = city.client();
    let wrong = sign_in(&client, "mai", "not the password").problem(401);
    assert_eq!(wrong, sign_in(&client, "nobody", "not the password").problem(401));
    assert_eq!(wrong, sign_in(&client, "disabled", "not the password").problem(401));
    assert_eq!(sign_in(&client, " MAI ", &password).status, 200, "a name is the same however it is typed");
    assert_eq!(sign_in(&client, "mai", &password.to_lowercase()).status, 401, "a password is not");
}

/// People of one name, or programs that share one, who come at once.
#[test]
fn right_sign_ins_of_one_account_at_once_all_get_in() {
    let mut city = City::prepare("");
    city.start();
    let mai = city.add_user("mai", "operator");
    let client = city.client();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let come: Vec<_> = (0..30).map(|_| scope.spawn(|| sign_in(&client, "mai", &mai).status)).collect();
        come.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

/// People who guess without pause, from one address, until this is dropped.
struct Guessers {
    stop: Arc<AtomicBool>,
    /// Passwords that were tried.
    served: Arc<AtomicUsize>,
}

impl Guessers {
    fn start(client: &Client, names: [&'static str; 2], count: usize) -> Self {
        let guessers = Self { stop: Arc::default(), served: Arc::default() };
        for guesser in 0..count {
            let (stop, served, client) =
                (Arc::clone(&guessers.stop), Arc::clone(&guessers.served), client.clone());
            std::thread::spawn(move || {
                for (n, name) in (0..).zip(names.into_iter().cycle()) {
                    if stop.load(Relaxed) {
                        return;
                    }
                    let body = json!({ "username": name, "password": format!("guess {n} of {guesser}") });
                    let headers = [("Content-Type", "application/json")];
                    let reply =
                        client.try_send("POST", "/api/v1/session", &headers, body.to_string().as_bytes());
                    if reply.is_ok_and(|reply| reply.status == 401) {
                        served.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        guessers
    }

    fn served(&self) -> usize {
        self.served.load(Relaxed)
    }
}

impl Drop for Guessers {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// However long they go on: whoever is known gets in at once, and who has the right password after few of their tries.
#[test]
fn guessers_who_never_pause_keep_nobody_out() {
    const GUESSERS: usize = 8;
    let mut city = City::prepare("");
    city.start();
    let (mai, hoa) = (city.add_user("mai", "operator"), city.add_user("hoa", "viewer"));
    let client = city.client();
    let known = client.with_cookie(&browser(&sign_in(&client, "mai", &mai)));
    let guessers = Guessers::start(&client, ["mai", "hoa"], GUESSERS);
    within(Duration::from_secs(60), "guesses in both lanes", || (guessers.served() >= 20).then_some(()));
    for n in 0..5 {
        assert_eq!(sign_in(&known, "mai", &mai).status, 200, "time {n} in her own browser");
    }
    for (name, password) in [("hoa", &hoa), ("mai", &mai)] {
        let before = guessers.served();
        sign_in_patiently(&client, name, password);
        let meanwhile = guessers.served() - before;
        assert!(meanwhile <= 4 * GUESSERS, "{meanwhile} guesses were tried before {name} was let in");
    }
}

/// Sixty guesses from one address: they are slowed, and who has the right password gets in beside them.
#[test]
fn guesses_slow_the_guesser_alone() {
    let mut city = City::prepare("");
    city.start();
    let (mai, hoa) = (city.add_user("mai", "operator"), city.add_user("hoa", "viewer"));
    let client = city.client();
    let known = client.with_cookie(&browser(&sign_in(&client, "mai", &mai)));
    let session = city.sign_in("mai", &mai);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..60)
            .map(|n| {
                let client = &client;
                scope.spawn(move || sign_in(client, "mai", &format!("guess number {n}")).status)
            })
            .collect();
        within(Duration::from_secs(60), "guesses are tried", || {
            guesses.iter().any(|guess| guess.is_finished()).then_some(())
        });
        // All of this while the guesses wait for their turns.
        assert_eq!(sign_in(&known, "mai", &mai).status, 200, "in her own browser");
        assert_eq!(sign_in_patiently(&client, "hoa", &hoa), 1, "another person at the same address");
        assert_eq!(session.get("/api/v1/session").status, 200, "who is signed in stays so");
        assert!(guesses.iter().any(|guess| !guess.is_finished()), "all of it went on beside the guesses");
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| [401, 429, 503].contains(status)), "{statuses:?}");
    let tried = statuses.iter().filter(|status| **status == 401).count();
    assert!(tried <= 32, "{tried} of 60 guesses were tried");
    assert!(statuses.contains(&429), "the guesser is refused: {statuses:?}");
    assert!(sign_in_patiently(&client, "mai", &mai) <= 3, "in a new browser at the guesser's address");
    let admin = city.user("an", "admin");
    let trail = admin.get("/api/v1/audit?limit=1000").expect(200);
    let refused = trail["items"].as_array().unwrap().iter().filter(|row| row["action"] == "session.refused");
    assert!(refused.count() <= 4, "guesses are counted, not listed: {trail:#}");
}

#[test]
fn ones_own_password_takes_the_current_one_and_weak_ones_are_refused_with_a_reason() {
    let mut city = City::prepare("");
    city.start();
    let password = city.add_user("mai", "viewer");
    let (mai, elsewhere) = (city.sign_in("mai", &password), city.sign_in("mai", &password));
    let change = |body: Value| mai.patch("/api/v1/users/mai", &body);
    let good = "ba con voi uống trà đá";
    assert!(change(json!({ "password": good })).problem(400).contains("current_password"));
    let wrong = change(json!({ "password": good, "current_password": "not it" }));
    wrong.problem(403);
    assert_eq!(wrong.json()["type"], "urn:ioc:problem:wrong-password");
    for (weak, kind) in [
        ("short", "password-short"),
        ("1234567890", "password-common"),
        ("aaaaaaaaaaaaaaa", "password-repeat"),
        ("tab\tin a long password", "password-control"),
    ] {
        let refused = change(json!({ "password": weak, "current_password": password }));
        refused.problem(400);
        assert_eq!(refused.json()["type"], format!("urn:ioc:problem:{kind}"), "{weak}");
    }
    assert_eq!(change(json!({ "password": good, "current_password": password })).status, 200);
    assert_eq!(mai.get("/api/v1/session").status, 200, "this session stays");
    elsewhere.get("/api/v1/session").problem(401);
    // Typed on a keyboard that writes letters and marks apart.
    let decomposed: String =
        good.replace('ố', "o\u{302}\u{301}").replace('à', "a\u{300}").replace('á', "a\u{301}");
    assert_ne!(decomposed, good);
    assert_eq!(sign_in(&city.client(), "mai", &decomposed).status, 200);
    // An admin gives another person a password without knowing the old one, and not to themselves.
    let admin = city.user("an", "admin");
    assert_eq!(admin.patch("/api/v1/users/MAI", &json!({ "password": "sáu quả trứng vịt lộn" })).status, 200);
    mai.get("/api/v1/session").problem(401);
    admin.patch("/api/v1/users/an", &json!({ "password": good })).problem(400);
    admin.patch("/api/v1/users/an", &json!({ "password": good, "role": "admin" })).problem(400);
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

    // Nor does anybody see people whom they may not change.
    city.ioc_json(&["user", "add", "xe", "--role", "viewer", "--domain", "traffic"]);
    let names = |client: &Client| -> Vec<Value> {
        let list = client.get("/api/v1/users").expect(200);
        list["items"].as_array().unwrap().iter().map(|user| user["name"].clone()).collect()
    };
    assert_eq!(names(&den), ["den", "same"]);
    assert_eq!(names(&city.user("an", "admin")), ["an", "den", "root", "same", "xe"]);
}

/// Other applications on the same host, and proxies in between, put into a request what is theirs.
#[test]
fn what_others_put_into_a_request_keeps_nobody_out() {
    let mut city = City::prepare("");
    city.start();
    let password = city.add_user("mai", "operator");
    let reply = sign_in(&city.client(), "mai", &password);
    let cookie = cookies(&reply)[0].split(';').next().unwrap().to_owned();
    let (stale, wrong) = (format!("ioc_session={}", "s".repeat(43)), "w".repeat(43));
    for line in [
        format!("ten=Huế; {cookie}"),
        format!("{cookie}; ten=Huế"),
        format!("{stale}; {cookie}"),
        format!("ioc_session=; {cookie}"),
        format!("ten=Huế\r\nCookie: {cookie}"),
    ] {
        let client = city.client().with_cookie(&line);
        assert_eq!(client.get("/api/v1/session").expect(200)["user"]["name"], "mai", "{line}");
        if !line.contains('\r') {
            Ws::open(&client);
        }
    }
    let mai = city.client().with_cookie(&cookie);
    let with = |authorization: &str, path: &str| {
        mai.send("GET", path, &[("Authorization", authorization)], b"").status
    };
    for (authorization, path, status) in [
        ("Bearer eyJhbGciOiJSUzI1NiJ9.e30.x", "/api/v1/session", 200),
        ("Basic eDp5", "/api/v1/session", 200),
        ("Basic eDp5", "/api/v1/session?token=abc", 200),
        (&format!("Bearer {wrong}"), "/api/v1/session", 401),
        ("Basic eDp5", &format!("/api/v1/session?token={wrong}"), 401),
    ] {
        assert_eq!(with(authorization, path), status, "{authorization} {path}");
    }
    // Signing out ends every session that the browser has sent.
    let again = cookies(&sign_in(&city.client(), "mai", &password))[0].split(';').next().unwrap().to_owned();
    let both = city.client().with_cookie(&format!("{cookie}; {again}"));
    assert_eq!(both.delete("/api/v1/session").status, 204);
    for cookie in [cookie, again] {
        city.client().with_cookie(&cookie).get("/api/v1/session").problem(401);
    }
}

#[test]
fn names_that_no_address_can_have_are_refused_and_the_command_line_ends_access() {
    let mut city = City::prepare("");
    city.start();
    let admin = city.user("admin", "admin");
    for name in [".", "..", "．．"] {
        let person = json!({ "name": name, "role": "viewer", "password": "Kx7-quang-vinh-92-lotus" });
        for said in [
            admin.post("/api/v1/display-tokens", &json!({ "name": name })).problem(400),
            admin.post("/api/v1/users", &person).problem(400),
        ] {
            assert!(said.contains("means another place in an address"), "{said}");
        }
    }
    let token = admin.post("/api/v1/display-tokens", &json!({ "name": "wall" })).expect(201);
    let wall = city.client().with_token(token["token"].as_str().unwrap());
    wall.get("/api/v1/devices").expect(200);
    assert_eq!(city.ioc_json(&["display-token", "list"])["items"][0]["name"], "wall");
    assert_eq!(city.ioc_json(&["display-token", "remove", "wall"])["name"], "wall");
    wall.get("/api/v1/devices").problem(401);
    let output = city.ioc(&["display-token", "remove", "wall"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("wall"));
    let mai = city.user("mai", "viewer");
    assert_eq!(city.ioc_json(&["user", "disable", "mai"])["disabled"], true);
    mai.get("/api/v1/devices").problem(401);
}
