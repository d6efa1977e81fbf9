//! A start that cannot be says why in one line and exits with 64 when usage or configuration is wrong, else with 1; a stop
//! is clean; data outlives both.
use crate::support::{
    City, now_ms, one,
    process::{self, as_nobody},
    rules, skip, telemetry, until,
};
use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, process::Output};

/// Demands exit code 64 and one line; returns the line.
#[track_caller]
fn refusal(output: &Output) -> String {
    ending(output, 64)
}

/// Demands this exit code and one line; returns the line.
#[track_caller]
fn ending(output: &Output, code: i32) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    assert_eq!(out, "", "nothing on standard output");
    let lines: Vec<&str> = err.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines.len(), 1, "one clear line: {err}");
    assert!(!err.contains("panicked"), "{err}");
    lines[0].to_owned()
}

#[track_caller]
fn contains(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "{word:?} in {line:?}");
    }
}

#[test]
fn an_unknown_config_key_is_named_with_its_place() {
    let city = City::prepare("[http]\nbody_max = \"1MiB\"\n  lisen = \"8081\"\n");
    let line = refusal(&process::run(&mut city.serve()));
    contains(&line, &["ioc.toml:3:3", "lisen", "listen"]);
    let city = City::prepare("[journal]\nsegment = \"64 megs\"\n");
    contains(&refusal(&process::run(&mut city.serve())), &["ioc.toml:2:", "64MiB"]);
    let city = City::prepare("data_dir = \n");
    contains(&refusal(&process::run(&mut city.serve())), &["ioc.toml:1:"]);
    let mut command = process::ioc();
    let output = process::run(command.args(["serve", "--config", "/nonexistent/ioc.toml"]));
    contains(&refusal(&output), &["/nonexistent/ioc.toml"]);
}

#[test]
fn a_taken_port_is_named() {
    let city = City::prepare("");
    let web = TcpListener::bind(city.http_addr()).unwrap();
    let line = ending(&process::run(&mut city.serve()), 1);
    contains(&line, &[&city.http_addr().to_string(), "--http"]);
    drop(web);
    let _mqtt = TcpListener::bind(city.mqtt_addr()).unwrap();
    let line = ending(&process::run(&mut city.serve()), 1);
    contains(&line, &[&city.mqtt_addr().to_string(), "--mqtt"]);
}

/// Addresses for documentation (RFC 5737, RFC 3849), which no interface has.
#[test]
fn an_address_that_no_interface_has_is_named_as_such() {
    let city = City::prepare("[http.metrics]\nlisten = \"192.0.2.1:9000\"\n");
    let words = ["192.0.2.1:9000", "no interface of this machine has that address", "http.metrics.listen"];
    contains(&ending(&process::run(&mut city.serve()), 1), &words);
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    for (flag, addr) in [
        ("--http", "192.0.2.1:8080"),
        ("--http", "[2001:db8::1]:8080"),
        ("--mqtt", "192.0.2.1:1883"),
        ("--mqtt", "[2001:db8::1]:1883"),
    ] {
        if addr.starts_with('[') && !has_ipv6 {
            continue;
        }
        let city = City::prepare("");
        let (http, mqtt) = (city.http_addr().to_string(), city.mqtt_addr().to_string());
        let other = if flag == "--http" { ["--mqtt", &mqtt] } else { ["--http", &http] };
        let mut command = process::ioc();
        command.arg("serve").arg("--data-dir").arg(city.data_dir()).arg("--rules").arg(city.rules_dir());
        let line = ending(&process::run(command.args([flag, addr]).args(other)), 1);
        contains(
            &line,
            &[addr, "no interface of this machine has that address", "give one that it has", flag],
        );
        assert!(!line.contains("free the port"), "{line}");
    }
}

/// The city is served all the same.
#[test]
fn few_open_files_and_wide_trust_are_warned_of() {
    let mut city = City::prepare("[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"0.0.0.0/0\", \"::/0\"]\n");
    let mut command = process::with_open_files(1024, &city.serve());
    city.start_as(&mut command);
    let log = city.log();
    contains(&log, &["the limit of open files is lower", "limit=1024", "LimitNOFILE="]);
    let warned: Vec<&str> = log.lines().filter(|line| line.contains("larger than any private one")).collect();
    assert_eq!(warned.len(), 2, "{log}");
    contains(warned[0], &["0.0.0.0/0", "http.trusted_proxies", "X-Forwarded-For"]);
    contains(warned[1], &["::/0"]);

    let mut enough = City::prepare(
        "[mqtt.limits]\nconnections_max = 16\nunauthenticated_max = 8\n[http]\nstream_clients_max = 16\n",
    );
    let mut command = process::with_open_files(4096, &enough.serve());
    enough.start_as(&mut command);
    assert!(!enough.log().contains("limit of open files is lower"), "{}", enough.log());
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named() {
    let mut city = City::prepare("");
    let file = city.path("a-file");
    fs::write(&file, "x").unwrap();
    city.set_data_dir(&file);
    contains(&refusal(&process::run(&mut city.serve())), &["a-file", "--data-dir"]);

    let foreign = city.path("home");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("letter.txt"), "dear").unwrap();
    city.set_data_dir(&foreign);
    contains(&refusal(&process::run(&mut city.serve())), &["home", "--data-dir"]);

    let closed = city.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    city.set_data_dir(&closed);
    let Some(mut command) = as_nobody(&mut city) else {
        skip::lacks("a user beside root who can run the binary");
        return;
    };
    contains(&ending(&process::run(&mut command), 1), &["closed", "--data-dir"]);
}

#[test]
fn a_second_server_on_the_same_directory_is_refused_and_harms_nothing() {
    let mut first = City::with_rules(&rules::high_water());
    let token = first.device("WL-1", "water-level");
    let vy = first.user("vy", "viewer");
    let mut second = City::prepare("");
    second.set_data_dir(first.data_dir());
    let line = ending(&process::run(&mut second.serve()), 1);
    contains(&line, &["in use", "(a server)", "--data-dir"]);
    let ts = now_ms();
    first.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(ts, "water_level", 2));
    until("the observation", || {
        (!first.points(&vy, "WL-1", "water_level", ts, ts + 1).is_empty()).then_some(())
    });
    assert_eq!(first.stop().code(), Some(0));
}

#[test]
fn a_broken_rule_file_at_start_is_refused_with_its_place() {
    let city = City::prepare("");
    let broken = rules::high_water().replace("water_level > 5", "water_level >> 5");
    city.write_rules("broken.yaml", &broken);
    let line = refusal(&process::run(&mut city.serve()));
    let number = broken.lines().position(|line| line.contains(">>")).unwrap() + 1;
    contains(&line, &[&format!("broken.yaml:{number}:")]);
}

#[test]
fn wrong_usage_is_refused() {
    for args in [
        &["serve", "--htpp", "1"][..],
        &["serve", "--http", "nowhere"],
        &["sreve"],
        &["device", "add"],
        &["serve", "--seed", "1"],
    ] {
        let output = process::run(process::ioc().args(args));
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.trim().is_empty() && !err.contains("panicked"), "{args:?}: {err}");
    }
    contains(&refusal(&process::run(process::ioc().args(["serve", "--htpp", "1"]))), &["--htpp", "--http"]);
}

#[test]
fn help_names_what_is_there_and_nothing_that_comes_later() {
    let output = process::run(process::ioc().arg("--help"));
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    contains(
        &help,
        &[
            "demo",
            "serve",
            "check",
            "backup",
            "restore",
            "rules",
            "device",
            "credential",
            "user",
            "quarantine",
            "--data-dir",
        ],
    );
    for later in ["backtest", "export", "import"] {
        assert!(!help.contains(later), "{later} is not there yet");
    }
}

#[test]
fn sigterm_stops_cleanly_and_the_next_start_goes_on() {
    let mut city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    let ts = now_ms();
    // Still connected while it stops.
    let mut device = city.mqtt("WL-1", &token);
    device.publish(&telemetry("WL-1"), &one(ts, "water_level", 2));
    let mut ws = city.ws(&vy);
    ws.follow_alerts(0);
    assert_eq!(city.stop().code(), Some(0));
    city.start();
    assert_eq!(city.points(&vy, "WL-1", "water_level", ts, ts + 1), [(ts, 2.0)]);
    let mut device = city.mqtt("WL-1", &token);
    device.publish(&telemetry("WL-1"), &one(ts + 1, "water_level", 3));
    until("both in history", || {
        (city.points(&vy, "WL-1", "water_level", ts, ts + 2).len() == 2).then_some(())
    });
    until("the newest value", || {
        (vy.get("/api/v1/devices/WL-1/latest").expect(200)["items"][0]["value"] == 3.0).then_some(())
    });
}

#[test]
fn the_command_line_works_beside_a_server_and_without_one() {
    let mut city = City::prepare("");
    let before = city.device("WL-1", "water-level");
    city.start();
    let beside = city.device("WL-2", "water-level");
    for (id, token) in [("WL-1", &before), ("WL-2", &beside)] {
        city.mqtt(id, token).publish(&telemetry(id), &one(now_ms(), "water_level", 1));
    }
    let twice = city.ioc(&[
        "device",
        "add",
        "--id",
        "WL-1",
        "--domain",
        "environment",
        "--kind",
        "water-level",
        "--lat",
        "16.4",
        "--lon",
        "107.5",
    ]);
    assert_eq!(twice.status.code(), Some(1), "{}", String::from_utf8_lossy(&twice.stderr));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("WL-1"));
    let ids = |city: &City| -> Vec<String> {
        let list = city.ioc_json(&["device", "list"]);
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|device| device["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&city), ["WL-1", "WL-2"]);
    assert_eq!(city.stop().code(), Some(0));
    assert_eq!(ids(&city), ["WL-1", "WL-2"]);
}
