//! While the server starts it answers: the web says how far it is, devices are told to come later, and it can be
//! stopped. The start is held up by a file of indicators that is a pipe: reading it waits for a writer.
use crate::support::{
    City,
    mqtt::{Connect, Mqtt},
    process::Process,
    until,
};
use std::{fs, process::Command};

/// A city whose start waits until [`let_on`].
fn held() -> (City, Process) {
    let mut city = City::prepare("");
    city.start();
    city.device("WL-1", "water-level");
    assert_eq!(city.stop().code(), Some(0));
    let pipe = city.path("kpis.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = city.serve();
    let process = Process::start(command.env("IOC_DISPLAY__KPIS", &pipe), &city.path("log"));
    (city, process)
}

/// Writes what the start waits for.
fn let_on(city: &City) {
    fs::write(city.path("kpis.toml"), include_str!("../../../configs/kpis.toml")).unwrap();
}

fn phase(city: &City) -> Option<String> {
    let reply = city.client().try_send("GET", "/health/ready", &[], b"").ok()?;
    (reply.status == 503).then(|| reply.text())
}

#[test]
fn listeners_answer_during_the_start() {
    let (city, mut process) = held();
    let client = city.client();
    until("the start", || phase(&city).filter(|text| text.contains("opening history")));
    assert_eq!(client.get("/health/live").status, 200);
    let reply = client.get("/api/v1/alerts");
    assert!(reply.problem(503).contains("starting"), "{}", reply.text());
    assert_eq!(reply.header("retry-after"), Some("2"));
    let page = client.send("GET", "/wall", &[("Accept", "text/html")], b"");
    assert_eq!(page.status, 503);
    assert!(page.text().contains("Đang khởi động") && page.text().contains("Starting"), "{}", page.text());
    for _ in 0..3 {
        let refused = Mqtt::connect(city.mqtt_addr(), &Connect::device("WL-1", "whatever"));
        assert_eq!(refused.err(), Some(3), "server unavailable");
    }
    assert!(process.exit().is_none());
    let_on(&city);
    until("readiness", || (client.get("/health/ready").status == 200).then_some(()));
    let refused = Mqtt::connect(city.mqtt_addr(), &Connect::device("WL-1", "whatever"));
    assert_eq!(refused.err(), Some(4), "a wrong token, now that somebody looks");
    assert_eq!(client.send("GET", "/wall", &[("Accept", "text/html")], b"").status, 200);
    assert_eq!(process.terminate().code(), Some(0));
}

#[test]
fn a_start_can_be_stopped() {
    let (city, mut process) = held();
    until("the start", || phase(&city).filter(|text| text.contains("opening history")));
    process.signal_terminate();
    until("the log says so", || process.log().contains("stopping during the start").then_some(()));
    let_on(&city);
    assert_eq!(process.terminate().code(), Some(0));
    assert!(!process.log().contains("panicked"), "{}", process.log());
}
