//! Promise 10: a broken rule file never replaces a working one, and reloading loses no pending `for`.
use crate::support::{City, Client, now_ms, one, rules, telemetry, until, within};
use serde_json::Value;
use std::{
    fs,
    time::{Duration, Instant},
};

fn in_force(client: &Client) -> Value {
    client.get("/api/v1/rules").expect(200)
}

fn names(rules: &Value) -> Vec<String> {
    let items = rules["items"].as_array().unwrap().iter();
    items.map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_good_change_is_live_within_moments() {
    let city = City::with_rules(&rules::high_water());
    let viewer = city.user("vy", "viewer");
    let token = city.device("WL-1", "water-level");
    let mut device = city.mqtt("WL-1", &token);
    let mut ws = city.ws(&viewer);
    ws.follow_alerts(0);

    let begun = Instant::now();
    city.write_rules(
        "more.yaml",
        &rules::file("more", &[rules::rule("AnyWater", "water_level > 1", "low", "")]),
    );
    // A second, and what a busy machine adds to it.
    within(Duration::from_secs(5), "the new rule", || {
        names(&in_force(&viewer)).contains(&"AnyWater".into()).then_some(())
    });
    eprintln!("a new rule file was in force after {:?}", begun.elapsed());
    device.publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 2));
    assert_eq!(ws.transition("AnyWater", "firing")["alert"]["severity"], "low");

    fs::remove_file(city.rules_dir().join("more.yaml")).unwrap();
    until("the rule is gone with its file", || {
        (names(&in_force(&viewer)) == ["HighWater", "DeviceClockWrong"]).then_some(())
    });
}

#[test]
fn a_broken_file_is_refused_with_its_place_and_the_old_rules_go_on() {
    let mut city = City::with_rules(&rules::high_water());
    let viewer = city.user("vy", "viewer");
    let token = city.device("WL-1", "water-level");
    let mut ws = city.ws(&viewer);
    ws.follow_alerts(0);

    let broken = rules::high_water().replace("water_level > 5", "water_levle > 4");
    city.write_rules("city.yaml", &broken);
    let errors = until("the error in /api/v1/rules", || {
        let rules = in_force(&viewer);
        rules["errors"].as_array().filter(|errors| !errors.is_empty()).cloned()
    });
    let line = broken.lines().position(|line| line.contains("water_levle")).unwrap();
    let column = broken.lines().nth(line).unwrap().find("water_levle").unwrap();
    let path = city.rules_dir().join("city.yaml").display().to_string();
    assert_eq!(errors[0]["file"], path.as_str());
    assert_eq!(
        (errors[0]["line"].as_u64(), errors[0]["column"].as_u64()),
        (Some(line as u64 + 1), Some(column as u64 + 1))
    );
    assert!(errors[0]["message"].as_str().unwrap().contains("water_levle"), "{}", errors[0]);
    let place = format!("{path}:{}:{}", line + 1, column + 1);
    until("file:line:column in the log", || city.log().contains(&place).then_some(()));

    assert_eq!(names(&in_force(&viewer)), ["HighWater", "DeviceClockWrong"]);
    city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 5.5));
    let firing = ws.transition("HighWater", "firing");
    assert_eq!(firing["alert"]["evidence"]["expr"], "water_level > 5");

    std::fs::write(city.rules_dir().join("city.yaml"), b"groups:\n  - name: n\xff").unwrap();
    let errors = until("the file that is no text", || {
        let rules = in_force(&viewer);
        rules["errors"].as_array().filter(|errors| errors[0]["message"] == "not UTF-8").cloned()
    });
    assert_eq!((errors[0]["line"].as_u64(), errors[0]["column"].as_u64()), (Some(2), Some(12)));

    // The power comes back at night, and nobody has mended the file yet.
    city.restart();
    assert_eq!(names(&in_force(&viewer)), ["HighWater", "DeviceClockWrong"], "those that were last in force");
    assert_eq!(in_force(&viewer)["errors"][0]["message"], "not UTF-8");
    assert!(city.metrics().get("ioc_rule_file_errors") > 0.0);
    assert_eq!(city.alerts(&viewer, "HighWater")[0]["state"], "firing");

    city.write_rules("city.yaml", &rules::high_water());
    until("no error once it is mended", || in_force(&viewer)["errors"].as_array()?.is_empty().then_some(()));
    assert_eq!(city.alerts(&viewer, "HighWater").len(), 1);
    assert_eq!(city.alerts(&viewer, "HighWater")[0]["state"], "firing", "the alert outlived both reloads");
}

/// While one file is broken, others change, come and go; also over a restart.
#[test]
fn a_broken_file_holds_back_no_other() {
    let file = |name: &str, threshold: u32| {
        rules::file(name, &[rules::rule(name, &format!("water_level > {threshold}"), "high", "")])
    };
    let mut city = City::with_rules(&file("A", 5));
    let viewer = city.user("vy", "viewer");
    let exprs = || -> Vec<String> {
        let rules = in_force(&viewer);
        let show =
            |rule: &Value| format!("{} {}", rule["name"].as_str().unwrap(), rule["expr"].as_str().unwrap());
        let items = rules["items"].as_array().unwrap().iter();
        items.filter(|rule| rule["name"] != "DeviceClockWrong").map(show).collect()
    };
    let wrong = || -> Vec<String> {
        let rules = in_force(&viewer);
        let name = |error: &Value| error["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        rules["errors"].as_array().unwrap().iter().map(name).collect()
    };
    let expect = |what: &str, rules: &[&str], errors: &[&str]| {
        until(what, || (exprs() == rules && wrong() == errors).then_some(()));
    };
    city.write_rules("b.yaml", &file("B", 6));
    expect("two files", &["B water_level > 6", "A water_level > 5"], &[]);

    city.write_rules("b.yaml", "groups: [{ broken");
    expect("one is broken", &["B water_level > 6", "A water_level > 5"], &["b.yaml"]);
    city.write_rules("city.yaml", &file("A", 4));
    city.write_rules("c.yaml", &file("C", 1));
    let three = ["B water_level > 6", "C water_level > 1", "A water_level > 4"];
    expect("one changed, one new", &three, &["b.yaml"]);
    city.write_rules("a.yaml", &file("C", 2));
    expect("a new one takes no alert from another", &three, &["a.yaml", "b.yaml"]);

    city.write_rules("city.yaml", &file("A", 3));
    let three = ["B water_level > 6", "C water_level > 1", "A water_level > 3"];
    expect("one changed", &three, &["a.yaml", "b.yaml"]);
    city.kill();
    city.write_rules("city.yaml", &file("A", 2));
    city.write_rules("d.yaml", &file("D", 7));
    city.write_rules("e.yaml", "groups: [{ broken too");
    city.start();
    let four = ["B water_level > 6", "C water_level > 1", "A water_level > 2", "D water_level > 7"];
    expect("after a restart", &four, &["a.yaml", "b.yaml", "e.yaml"]);

    for name in ["a.yaml", "b.yaml", "e.yaml"] {
        fs::remove_file(city.rules_dir().join(name)).unwrap();
    }
    expect("what is gone is gone", &four[1..], &[]);
}

#[test]
fn a_reload_loses_no_pending_for() {
    const FOR_MS: i64 = 6000;
    let slow = rules::rule("SlowRise", "water_level > 3", "medium", "for: 6s");
    let city = City::with_rules(&rules::file("slow", &[slow]));
    let viewer = city.user("vy", "viewer");
    let token = city.device("WL-1", "water-level");
    let mut ws = city.ws(&viewer);
    ws.follow_alerts(0);
    city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 4));
    let pending = ws.transition("SlowRise", "pending");

    let before = in_force(&viewer)["loaded_at"].as_i64().unwrap();
    city.write_rules("more.yaml", &rules::high_water());
    let reloaded = until("the reload", || in_force(&viewer)["loaded_at"].as_i64().filter(|at| *at > before));

    let firing = ws.transition("SlowRise", "firing");
    let alert = &firing["alert"];
    assert_eq!(alert["id"], pending["alert"]["id"], "the same activation");
    let (since, fired) = (alert["active_since"].as_i64().unwrap(), alert["firing_since"].as_i64().unwrap());
    assert!(since < reloaded && reloaded < fired, "the reload came between: {since} {reloaded} {fired}");
    assert!(
        (FOR_MS..FOR_MS + 4000).contains(&(fired - since)),
        "`for` counts from the beginning: {} ms",
        fired - since
    );
}

/// What is open of a rule, once something is.
fn open_of(city: &City, viewer: &Client, rule: &str) -> Value {
    let open = |alert: &&Value| alert["state"] == "firing";
    until(&format!("an open alert of {rule}"), || city.alerts(viewer, rule).iter().find(open).cloned())
}

#[test]
fn rules_changed_while_the_center_is_down_see_the_last_values() {
    let same = rules::rule("Same", "water_level > 4", "low", "");
    let first = rules::rule("HighWater", "water_level > 5", "high", "");
    let mut city = City::with_rules(&rules::file("water", &[first, same.clone()]));
    let viewer = city.user("vy", "viewer");
    let token = city.device("WL-1", "water-level");
    let mut ws = city.ws(&viewer);
    ws.follow_alerts(0);
    city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 9));
    ws.transition("HighWater", "firing");
    let kept = open_of(&city, &viewer, "Same");
    let mut before = open_of(&city, &viewer, "HighWater");

    // Once by each kind of stop; another severity, another expression, and a file that moved. Then nobody knows what was in
    // force any more.
    for (severity, expr, file, is_clean, is_known) in [
        ("critical", "water_level > 5", "city.yaml", true, true),
        ("critical", "water_level > 6", "moved.yaml", false, true),
        ("high", "water_level > 6.5", "city.yaml", true, false),
        ("medium", "water_level > 6", "moved.yaml", false, false),
    ] {
        // So that the value is current after the start too.
        city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 9));
        if is_clean {
            assert_eq!(city.stop().code(), Some(0));
        } else {
            city.kill();
        }
        for old in ["city.yaml", "moved.yaml"] {
            let _ = fs::remove_file(city.rules_dir().join(old));
        }
        if !is_known {
            fs::remove_file(city.data_dir().join("rules.json")).unwrap();
        }
        let name = format!("Added{is_clean}{is_known}");
        let added = rules::rule(&name, "water_level > 7", "medium", "");
        let changed = rules::rule("HighWater", expr, severity, "");
        city.write_rules(file, &rules::file("water", &[same.clone(), changed, added]));
        city.start();

        open_of(&city, &viewer, &name);
        let id = before["id"].clone();
        let after = until("the changed rule's alert", || {
            let alerts = city.alerts(&viewer, "HighWater");
            alerts.into_iter().find(|alert| alert["state"] == "firing" && alert["id"] != id)
        });
        assert_eq!(after["severity"], severity);
        let alerts = city.alerts(&viewer, "HighWater");
        let old = alerts.iter().find(|alert| alert["id"] == id).unwrap();
        assert_eq!(old["state"], "cleared");
        let all = city.alerts(&viewer, "Same");
        assert_eq!(all.len(), 1, "an unchanged rule repeats nothing: {all:?}");
        assert_eq!((&all[0]["id"], &all[0]["state"]), (&kept["id"], &kept["state"]));
        before = after;
    }
}
