//! While the server starts it answers: the web says how far it is, devices are told to come later, and it can be
//! stopped. The start is held up by a lease on a rule file: opening it waits until the lease is given up.
use crate::support::{
    City,
    mqtt::{Connect, Mqtt},
    process::Process,
    until,
};
use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Takes a write lease on a file (`F_SETLEASE`, `F_WRLCK`) until its input ends. The signal that somebody wants it is no reason.
const LEASE: &str = r#"$SIG{IO} = "IGNORE"; open(F, "+<", $ARGV[0]) or die $!; fcntl(F, 1024, 1) or die $!;
    $| = 1; print "held"; <STDIN>;"#;

/// Nobody else can open a file as long as this is there; the system gives it less than a minute.
struct Lease(Child);

impl Lease {
    fn take(file: &Path) -> Self {
        let mut command = Command::new("perl");
        command.args(["-e", LEASE]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().unwrap();
        let mut said = [0; 4];
        holder.stdout.as_mut().unwrap().read_exact(&mut said).expect("a lease");
        Self(holder)
    }

    fn give_up(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

/// A city whose start waits until the lease is given up.
fn held() -> (City, Process, Lease) {
    let mut city = City::prepare("");
    city.start();
    city.device("WL-1", "water-level");
    assert_eq!(city.stop().code(), Some(0));
    let rules = city.path("held-rules");
    fs::create_dir(&rules).unwrap();
    let file = rules.join("clocks.yaml");
    fs::write(&file, include_str!("../../../configs/rules/clocks.yaml")).unwrap();
    let lease = Lease::take(&file);
    let mut command = city.serve();
    let process = Process::start(command.arg("--rules").arg(&rules), &city.path("log"));
    (city, process, lease)
}

fn phase(city: &City) -> Option<String> {
    let reply = city.client().try_send("GET", "/health/ready", &[], b"").ok()?;
    (reply.status == 503).then(|| reply.text())
}

#[test]
fn listeners_answer_during_the_start() {
    let (city, mut process, lease) = held();
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
    lease.give_up();
    until("readiness", || (client.get("/health/ready").status == 200).then_some(()));
    let refused = Mqtt::connect(city.mqtt_addr(), &Connect::device("WL-1", "whatever"));
    assert_eq!(refused.err(), Some(4), "a wrong token, now that somebody looks");
    assert_eq!(client.send("GET", "/wall", &[("Accept", "text/html")], b"").status, 200);
    assert_eq!(process.terminate().code(), Some(0));
}

#[test]
fn a_start_can_be_stopped() {
    let (city, mut process, lease) = held();
    until("the start", || phase(&city).filter(|text| text.contains("opening history")));
    process.signal_terminate();
    until("the log says so", || process.log().contains("stopping during the start").then_some(()));
    lease.give_up();
    assert_eq!(process.terminate().code(), Some(0));
    assert!(!process.log().contains("panicked"), "{}", process.log());
}
