use super::*;
use std::path::Path;

fn load_text(text: &str) -> Result<Config, Problems> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ioc.toml");
    std::fs::write(&file, text).unwrap();
    let result = load(Sources { file: Some(file.clone()), ..Sources::default() });
    result.map_err(|mut problems| {
        for problem in &mut problems.problems {
            if let Place::File { path, .. } = &mut problem.place {
                *path = "ioc.toml".to_owned();
            }
        }
        problems
    })
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_commented_file_is_the_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/ioc.toml");
    let config = load(Sources { file: Some(path), ..Sources::default() }).unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn every_default_stands_in_the_commented_file() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/ioc.toml")).unwrap();
    for key in draft::all_keys(&serde_json::to_value(Config::default()).unwrap()) {
        let name = key.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("\n{name} = ")) || text.contains(&format!("\n# {name} = ")), "{key}");
    }
}

#[test]
fn every_problem_is_named_with_its_place_in_one_run() {
    let problems = load_text(concat!(
        "citi = \"hue\"\n",
        "[http]\n",
        "lissten = 80\n",
        "session_ttl = \"5\"\n",
        "[mqtt.limits]\n",
        "connections_max = -3\n",
        "retention = \"9d\"\n",
        "[mqtt.tls]\n",
        "key = \"k.pem\"\n",
        "[store]\n",
        "segment_span = \"1s\"\n",
    ))
    .unwrap_err();
    let lines: Vec<String> = problems.problems.iter().map(ToString::to_string).collect();
    let expected = [
        "ioc.toml:1:1: unknown key \"citi\"; did you mean \"city\"?",
        "ioc.toml:3:1: unknown key \"http.lissten\"; did you mean \"listen\"?",
        "ioc.toml:4:15: http.session_ttl: \"5\" is not a span of time such as 250ms, 30s, 5m, 2h or 90d; \
         write it like the default, http.session_ttl = \"12h\"",
        "ioc.toml:6:19: mqtt.limits.connections_max: invalid value: integer `-3`, expected u32; \
         write it like the default, mqtt.limits.connections_max = 50000",
        "ioc.toml:7:1: unknown key \"mqtt.limits.retention\"; it is called store.retention",
        "ioc.toml:9:7: mqtt.tls.key has no certificate; \
         set mqtt.tls.certificate to the PEM file of its certificate chain",
        "ioc.toml:11:16: store.segment_span is 1s; it must be between 1m and store.retention (365d)",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn late_after_has_a_sensible_range() {
    for (text, is_fine) in [
        ("0s", false),
        ("9s", false),
        ("10s", true),
        ("2m", true),
        ("1h", true),
        ("61m", false),
        ("1d", false),
    ] {
        let loaded = load_text(&format!("[ingest]\nlate_after = \"{text}\"\n"));
        assert_eq!(loaded.is_ok(), is_fine, "{text}");
        if let Err(problems) = loaded {
            let said = problems.to_string();
            assert!(said.contains("between 10s and 1h") && said.contains("never start an alert"), "{said}");
        }
    }
}

#[test]
fn broken_toml_names_line_and_column() {
    let text = load_text("[http\nlisten = 1\n").unwrap_err().to_string();
    assert!(text.starts_with("ioc.toml:1:"), "{text}");
}

#[test]
fn a_section_is_not_a_value() {
    let text = load_text("http = 80\n").unwrap_err().to_string();
    assert_eq!(text, "ioc.toml:1:8: http is a section, found integer; write [http] and its keys below");
}

#[test]
fn variables_come_before_flags_and_after_the_file() {
    let flags = vec![FlagValue { flag: "--http", key: "http.listen", texts: vec!["127.0.0.1:1".to_owned()] }];
    let variables = variables(&[
        ("IOC_HTTP", "2"),
        ("IOC_MQTT", "3"),
        ("IOC_MQTT__LIMITS__PACKET_MAX", "64KiB"),
        ("IOC_RULES", "a, b"),
        ("IOC_CATALOGUE", "water"),
        ("IOC_SEED", "7"),
        ("IOC_PORT", "tcp://10.0.0.1:80"),
        ("HOME", "/"),
    ]);
    let config = load(Sources { variables, flags, ..Sources::default() }).unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:1");
    assert_eq!(config.mqtt.tcp.listen, Listen::every(3));
    assert_eq!(config.mqtt.limits.packet_max, Size(65536));
    assert_eq!(config.rules.dirs, [Path::new("a"), Path::new("b")]);
    assert_eq!(config.catalogue.dirs, [Path::new("water")]);
    assert_eq!(config.demo.seed, 7);
}

#[test]
fn wrong_variables_and_flags_are_named() {
    let flags = vec![FlagValue { flag: "--mqtt", key: "mqtt.tcp.listen", texts: vec!["nowhere".to_owned()] }];
    let variables = variables(&[("IOC_DEVICES", "many"), ("IOC_MQTT__LIMTS__PACKET_MAX", "1KiB")]);
    let problems = load(Sources { variables, flags, ..Sources::default() }).unwrap_err();
    let places: Vec<String> = problems.problems.iter().map(|p| p.place.to_string()).collect();
    assert_eq!(places, ["IOC_DEVICES", "IOC_MQTT__LIMTS__PACKET_MAX", "--mqtt"]);
}

#[test]
fn variables_with_other_underscores_are_refused_with_the_right_name() {
    let cases = [
        ("IOC_MQTT_TCP_ENABLED", "IOC_MQTT__TCP__ENABLED"),
        ("IOC_DATADIR", "IOC_DATA_DIR"),
        ("IOC_HTTP_LISTEN", "IOC_HTTP"),
        ("IOC_mqtt_limits_packet_max", "IOC_MQTT__LIMITS__PACKET_MAX"),
        ("IOC_INGEST_LATE_AFTER", "IOC_INGEST__LATE_AFTER"),
        ("IOC__DATA_DIR", "IOC_DATA_DIR"),
    ];
    for (wrong, right) in cases {
        let variables = variables(&[(wrong, "false")]);
        let text = load(Sources { variables, ..Sources::default() }).unwrap_err().to_string();
        assert!(text.starts_with(wrong) && text.contains(right), "{text}");
    }
}

#[test]
fn other_variables_that_begin_like_ours_are_told_unless_an_orchestrator_sets_them() {
    let links = [
        "IOC_PORT",
        "IOC_PORT_1883_TCP",
        "IOC_PORT_1883_TCP_ADDR",
        "IOC_SERVICE_HOST",
        "IOC_SERVICE_PORT_MQTT",
        "IOC_WEB_SERVICE_HOST",
        "IOC_WEB_PORT_80_TCP_PROTO",
        "IOC_LOG",
        "IOC_HTTP",
        "HOME",
    ];
    assert_eq!(unknown_variables(links), [""; 0]);
    let told = unknown_variables(["IOC_MQTT_PORTS", "IOC_LOGLEVEL"]);
    assert!(told[0].starts_with("IOC_LOGLEVEL: there is no such variable") && told.len() == 2, "{told:?}");
}

#[test]
fn a_future_max_that_refuses_everything_or_nothing_is_refused() {
    for span in ["0s", "999ms", "61m"] {
        let text = load_text(&format!("[ingest]\nfuture_max = \"{span}\"\n")).unwrap_err().to_string();
        assert!(text.contains("ingest.future_max is") && text.contains("between 1s and 1h"), "{text}");
    }
    assert!(load_text("[ingest]\nfuture_max = \"1h\"\n").is_ok());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let file = Some("/nonexistent/ioc.toml".into());
    let text = load(Sources { file, ..Sources::default() }).unwrap_err().to_string();
    assert!(text.starts_with("/nonexistent/ioc.toml: cannot be read: "), "{text}");
}
