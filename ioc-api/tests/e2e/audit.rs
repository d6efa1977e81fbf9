//! Every change and every sign-in is in the audit trail, those of the command line included.
use crate::support::{City, Client, now_ms, one, rules, telemetry, until};
use serde_json::{Value, json};

fn trail(admin: &Client) -> Vec<Value> {
    admin.get("/api/v1/audit?limit=1000").expect(200)["items"].as_array().unwrap().clone()
}

fn holds(trail: &[Value], actor: &str, action: &str, object: &str) -> bool {
    let is = |entry: &&Value| {
        entry["actor"].as_str().is_some_and(|found| found.starts_with(actor))
            && entry["action"].as_str().is_some_and(|found| found.starts_with(action))
            && entry["object"] == object
    };
    trail.iter().any(|entry| is(&entry))
}

#[test]
fn changes_and_sign_ins_are_in_the_audit_trail() {
    let mut city = City::prepare("");
    city.write_rules("city.yaml", &rules::high_water());
    // Before the server runs, the command line takes the directory's lock itself.
    let admin_password = city.add_user("an", "admin");
    city.start();
    let admin = city.sign_in("an", &admin_password);
    let token = city.device("WL-1", "water-level");
    city.ioc_json(&["device", "rotate", "--id", "WL-1"]);
    city.credential("APP-1", "app");
    let mai = city.user("mai", "operator");
    city.ioc_json(&["user", "passwd", "mai"]);
    let wrong = json!({ "username": "mai", "password": "wrong wrong wrong" });
    city.client().post("/api/v1/session", &wrong).problem(401);
    admin
        .post("/api/v1/users", &json!({ "name": "lan", "password": "một mật khẩu dài", "role": "viewer" }))
        .expect(201);
    admin.patch("/api/v1/users/lan", &json!({ "role": "engineer" })).expect(200);
    admin.post("/api/v1/display-tokens", &json!({ "name": "wall-1" })).expect(201);
    assert!(mai.get("/api/v1/session").status == 401, "a new password ends the sessions of the old one");
    drop(token);

    let trail = trail(&admin);
    let expected = [
        ("cli:", "user", "an"),
        ("an", "session", "an"),
        ("cli:", "device.add", "WL-1"),
        ("cli:", "credential.rotate", "WL-1"),
        ("cli:", "credential.add", "APP-1"),
        ("cli:", "user", "mai"),
        ("anonymous", "session.refused", "mai"),
        ("an", "user", "lan"),
        ("an", "display", "wall-1"),
    ];
    for (actor, action, object) in expected {
        assert!(holds(&trail, actor, action, object), "{actor} {action} {object} in {trail:#?}");
    }
    let lans = trail.iter().filter(|entry| entry["object"] == "lan").count();
    assert_eq!(lans, 2, "added and changed: {trail:#?}");
    city.write_rules("city.yaml", &rules::high_water().replace("> 5", "> 5.5"));
    until("the change of the rules", || {
        holds(&self::trail(&admin), "system", "rules.reload", "rule files").then_some(())
    });
    assert!(trail.iter().is_sorted_by(|a, b| a["id"].as_u64() > b["id"].as_u64()), "newest first");
}

#[test]
fn what_operators_do_to_alerts_is_in_the_audit_trail() {
    let city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let (admin, mai) = (city.user("an", "admin"), city.user("mai", "operator"));
    city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 6));
    let alert = until("the alert", || city.alerts(&mai, "HighWater").pop());
    let id = alert["id"].as_str().unwrap();
    mai.post(&format!("/api/v1/alerts/{id}/ack"), &json!({})).expect(200);
    mai.post(&format!("/api/v1/alerts/{id}/note"), &json!({ "text": "x" })).expect(200);
    mai.post(&format!("/api/v1/alerts/{id}/resolve"), &json!({})).expect(200);
    let trail = trail(&admin);
    for action in ["alert.acknowledge", "alert.note", "alert.resolve"] {
        assert!(holds(&trail, "mai", action, id), "{action} in {trail:#?}");
    }
}

#[test]
fn an_admin_of_one_field_reads_what_is_about_it() {
    let mut city = City::prepare("");
    city.start();
    let an = city.user("an", "admin");
    let add = |name: &str, role: &str, domain: &str| -> String {
        let added = city.ioc_json(&["user", "add", name, "--role", role, "--domain", domain]);
        added["password"].as_str().unwrap().to_owned()
    };
    let den = city.sign_in("den", &add("den", "admin", "lighting"));
    city.sign_in("vy", &add("vy", "viewer", "lighting"));
    city.sign_in("xe", &add("xe", "viewer", "traffic"));
    city.device("WL-1", "water-level");
    city.device_in("lighting", "LUM-1", "luminaire");
    city.ioc_json(&["credential", "add", "--id", "GW-L", "--kind", "gateway", "--device", "LUM-1"]);
    city.credential("APP-1", "app");
    for name in ["vy", "nobody"] {
        let wrong = json!({ "username": name, "password": "wrong wrong wrong" });
        city.client().post("/api/v1/session", &wrong).problem(401);
    }
    an.post("/api/v1/display-tokens", &json!({ "name": "wall-1" })).expect(201);

    let (mut read, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let next = cursor.as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = den.get(&format!("/api/v1/audit?limit=2{next}")).expect(200);
        read.extend(
            page["items"].as_array().unwrap().iter().map(|row| {
                format!("{} {}", row["action"].as_str().unwrap(), row["object"].as_str().unwrap())
            }),
        );
        cursor = page["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let expected = [
        "session.refused vy",
        "credential.add GW-L",
        "device.add LUM-1",
        "session.start vy",
        "user.add vy",
        "session.start den",
        "user.add den",
    ];
    assert_eq!(read, expected);
    let all = trail(&an);
    for object in ["nobody", "WL-1", "APP-1", "wall-1", "xe"] {
        assert!(all.iter().any(|row| row["object"] == object), "{object}");
    }
}
