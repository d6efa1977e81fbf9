//! A device is connected as long as at least one live connection speaks for it: its own, or a gateway's.
use crate::support::{City, Client, Mqtt, now_ms, one, rules, telemetry, until, within};
use std::time::Duration;

/// How long an alert may take: after a start, devices have two reporting periods to come back.
const ALERT: Duration = Duration::from_secs(60);

/// A city that tells of devices that are gone, and somebody who looks.
struct Watched {
    city: City,
    vy: Client,
    /// Whose going shows that everything before it has been decided.
    canary: String,
}

impl Watched {
    fn new() -> Self {
        let offline = rules::rule("Offline", "device_online == 0", "high", "");
        let city = City::with_rules(&rules::file("presence", &[offline]));
        let canary = city.device("CANARY", "water-level");
        let vy = city.user("vy", "viewer");
        Self { city, vy, canary }
    }

    fn gateway(&self, id: &str, devices: &[&str]) -> String {
        let listed = devices.iter().flat_map(|device| ["--device", device]);
        let args: Vec<&str> =
            ["credential", "add", "--id", id, "--kind", "gateway"].into_iter().chain(listed).collect();
        self.city.ioc_json(&args)["token"].as_str().unwrap().to_owned()
    }

    fn online(&self, device: &str) -> Option<bool> {
        self.vy.get(&format!("/api/v1/devices/{device}")).expect(200)["online"].as_bool()
    }

    #[track_caller]
    fn becomes(&self, device: &str, online: bool) {
        until(&format!("{device} online: {online}"), || (self.online(device) == Some(online)).then_some(()));
    }

    fn has_connections(&self, count: f64) {
        until(&format!("{count} connections"), || {
            (self.city.metrics().get("ioc_mqtt_connections") == count).then_some(())
        });
    }

    /// Waits until the alert of a device fires, or until there is none that does.
    fn alarms(&self, device: &str, firing: bool) {
        within(ALERT, &format!("{device} alarms: {firing}"), || {
            let alerts = self.city.alerts(&self.vy, "Offline");
            let fires = alerts.iter().any(|alert| alert["device"] == device && alert["state"] == "firing");
            (fires == firing).then_some(())
        });
    }

    /// Waits until what happened so far is decided and shown. The canary comes and goes, and comes: both are journaled
    /// behind all that was before.
    fn settled(&self) {
        let canary = self.city.mqtt("CANARY", &self.canary);
        self.becomes("CANARY", true);
        drop(canary);
        self.becomes("CANARY", false);
        self.alarms("CANARY", true);
        let canary = self.city.mqtt("CANARY", &self.canary);
        self.alarms("CANARY", false);
        drop(canary);
        self.alarms("CANARY", true);
    }

    #[track_caller]
    fn is_there(&self, device: &str) {
        self.settled();
        assert_eq!(self.online(device), Some(true), "{device}");
        let alerts = self.city.alerts(&self.vy, "Offline");
        assert!(alerts.iter().all(|alert| alert["device"] != device), "{device}: {alerts:?}");
    }
}

fn speak(connection: &mut Mqtt, device: &str) {
    connection.publish(&telemetry(device), &one(now_ms(), "water_level", 1));
}

#[test]
fn a_device_is_online_while_any_connection_speaks_for_it() {
    let watched = Watched::new();
    let city = &watched.city;
    let own = ["D", "E"].map(|id| city.device(id, "water-level"));
    let (first, second) = (watched.gateway("gw1", &["D", "E"]), watched.gateway("gw2", &["E"]));
    let mut gw1 = city.mqtt("gw1", &first);
    let mut gw2 = city.mqtt("gw2", &second);
    let device = city.mqtt("D", &own[0]);
    speak(&mut gw1, "D");
    speak(&mut gw2, "E");
    watched.becomes("D", true);
    watched.becomes("E", true);

    // Its own connection ends, the gateway goes on for it.
    drop(device);
    watched.has_connections(2.0);
    speak(&mut gw1, "D");
    watched.is_there("D");

    // One of two gateways ends.
    drop(gw1);
    watched.becomes("D", false);
    watched.alarms("D", true);
    speak(&mut gw2, "E");
    watched.is_there("E");

    // It is there again on a connection of its own, and both ways end it only together.
    let device = city.mqtt("D", &own[0]);
    watched.becomes("D", true);
    watched.alarms("D", false);
    drop(device);
    watched.becomes("D", false);
    drop(gw2);
    watched.becomes("E", false);
    watched.alarms("E", true);
}

#[test]
fn a_reconnection_and_a_kill_leave_nothing_behind() {
    let mut watched = Watched::new();
    let token = watched.city.device("D", "water-level");
    let gateway = watched.gateway("gw", &["D"]);
    // Each takes the one before over; the old sockets close afterwards.
    let mut sessions: Vec<Mqtt> = (0..5).map(|_| watched.city.mqtt("D", &token)).collect();
    let mut last = sessions.pop().unwrap();
    drop(sessions);
    watched.has_connections(1.0);
    speak(&mut last, "D");
    watched.is_there("D");

    watched.city.kill();
    watched.city.start();
    drop(last);
    assert_eq!(watched.online("D"), None, "nobody has connected since");
    let one = watched.city.mqtt("gw", &gateway);
    watched.becomes("D", true);
    let other = watched.city.mqtt("D", &token);
    watched.has_connections(2.0);
    drop(one);
    watched.has_connections(1.0);
    watched.is_there("D");
    drop(other);
    watched.becomes("D", false);
}

#[test]
fn a_device_that_is_put_under_a_connected_gateway_is_online() {
    let watched = Watched::new();
    let city = &watched.city;
    let token = watched.gateway("gw", &[]);
    let mut gateway = city.mqtt("gw", &token);
    let place = ["--domain", "environment", "--kind", "water-level", "--lat", "16.46", "--lon", "107.59"];
    for (id, under) in [("P", ["--parent", "gateway:gw"]), ("L", ["--label", "gateway=gw"])] {
        city.ioc_json(&[&["device", "add", "--id", id], &place[..], &under].concat());
        speak(&mut gateway, id);
        watched.becomes(id, true);
    }
    drop(gateway);
    for id in ["P", "L"] {
        watched.becomes(id, false);
        watched.alarms(id, true);
    }
}
