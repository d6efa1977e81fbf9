//! Clocks that are wrong: of devices, and our own. Offsets are measured, shown, subtracted, and hide nothing.
use crate::support::{City, Client, Mqtt, now_ms, one, rules, telemetry, until};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60_000;

/// A gauge whose clock is behind by `offset_ms`.
struct Gauge {
    id: String,
    token: String,
    device: Mqtt,
    offset_ms: i64,
}

impl Gauge {
    fn new(city: &City, id: &str, offset_ms: i64) -> Self {
        let token = city.device(id, "water-level");
        Self { id: id.to_owned(), device: city.mqtt(id, &token), token, offset_ms }
    }

    /// Reports a level, measured now. Returns the time that it wrote.
    fn report(&mut self, level: f64) -> i64 {
        let ts = now_ms() - self.offset_ms;
        self.device.publish(&telemetry(&self.id), &one(ts, "water_level", level));
        ts
    }

    /// Reports until its offset is known. Returns the device as the API has it.
    fn measured(&mut self, vy: &Client, level: f64) -> Value {
        until("the offset of the clock", || {
            self.report(level);
            Some(device(vy, &self.id)).filter(|device| !device["clock_offset_ms"].is_null())
        })
    }
}

fn device(vy: &Client, id: &str) -> Value {
    vy.get(&format!("/api/v1/devices/{id}")).expect(200)
}

fn latest(vy: &Client, id: &str) -> Option<Value> {
    let items = vy.get(&format!("/api/v1/devices/{id}/latest")).expect(200)["items"].clone();
    items.as_array()?.iter().find(|item| item["property"] == "water_level").cloned()
}

/// The newest alert of a rule about a device, open or not.
fn alert(city: &City, vy: &Client, rule: &str, device: &str) -> Option<Value> {
    city.alerts(vy, rule).into_iter().find(|alert| alert["device"] == device)
}

fn has_flag(item: &Value, flag: &str) -> bool {
    item["quality"].as_array().is_some_and(|flags| flags.contains(&json!(flag)))
}

#[test]
fn whatever_its_clock_says_the_next_reading_is_shown() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    for (n, seconds) in [-299, -240, -5, 0, 35, 60, 119, 600].into_iter().enumerate() {
        let mut gauge = Gauge::new(&city, &format!("WL-{n}"), seconds * SECOND_MS);
        for level in [1.0, 2.0, 3.0] {
            let ts = gauge.report(level);
            let item = until("the reading", || latest(&vy, &gauge.id).filter(|item| item["value"] == level));
            assert_eq!(item["t"], ts, "{seconds} s behind: event times stay as they are");
        }
        // Its clock is set right: what comes next is newer, wherever it stood before.
        if seconds < 0 {
            gauge.offset_ms = 0;
            gauge.report(9.0);
            until("the reading after its clock was set", || {
                latest(&vy, &gauge.id).filter(|item| item["value"] == 9.0)
            });
        }
        let found = until("its state", || Some(device(&vy, &gauge.id)).filter(|device| device["state"] == 0));
        assert_eq!(found["flags"], 0, "{seconds} s behind: neither silent nor never heard");
    }
}

#[test]
fn an_offset_is_measured_subtracted_and_kept_over_a_restart() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let mut gauge = Gauge::new(&city, "WL-1", 10 * MINUTE_MS);
    let found = gauge.measured(&vy, 1.0);
    let offset_ms = found["clock_offset_ms"].as_i64().unwrap();
    assert!((10 * MINUTE_MS..10 * MINUTE_MS + 5 * SECOND_MS).contains(&offset_ms), "{found}");
    assert_eq!(found["clock_wrong"], false);
    gauge.report(2.0);
    let item = until("the reading", || latest(&vy, "WL-1").filter(|item| item["value"] == 2.0));
    assert!(has_flag(&item, "clock_offset") && !has_flag(&item, "late"), "{item}");

    // It is written down like any reading, and taken up from there.
    let kept = until("the offset in history", || {
        city.points(&vy, "WL-1", "device_clock_offset", 0, now_ms() + MINUTE_MS).pop()
    });
    assert!((600.0..605.0).contains(&kept.1), "{kept:?}");
    city.restart();
    gauge.device = city.mqtt("WL-1", &gauge.token);
    gauge.report(3.0);
    let item =
        until("the first reading after it", || latest(&vy, "WL-1").filter(|item| item["value"] == 3.0));
    assert!(has_flag(&item, "clock_offset") && !has_flag(&item, "late"), "{item}");

    // What it kept back is late as from any other device.
    gauge.device.publish(&telemetry("WL-1"), &one(now_ms() - 40 * MINUTE_MS, "water_level_rate", 1));
    let rate = until("the late reading", || {
        let items = vy.get("/api/v1/devices/WL-1/latest").expect(200)["items"].clone();
        items.as_array()?.iter().find(|item| item["property"] == "water_level_rate").cloned()
    });
    assert!(has_flag(&rate, "late"), "{rate}");
}

#[test]
fn a_clock_beyond_the_limits_raises_the_built_in_alert_until_it_is_set() {
    let city = City::with_rules(&rules::high_water());
    let vy = city.user("vy", "viewer");
    for (id, offset_ms) in [("WL-BEHIND", 16 * MINUTE_MS), ("WL-AHEAD", -6 * MINUTE_MS)] {
        let mut gauge = Gauge::new(&city, id, offset_ms);
        let found = gauge.measured(&vy, 1.0);
        assert_eq!(found["clock_wrong"], true, "{found}");
        until("the alert", || alert(&city, &vy, "DeviceClockWrong", id));
        let clock = until("the count of wrong clocks", || {
            Some(vy.get("/api/v1/clock").expect(200)).filter(|clock| clock["devices_wrong"] == 1)
        });
        assert_eq!(clock["ahead_ms"], Value::Null, "one device is not most: {clock}");
        gauge.offset_ms = 0;
        until("the alert to clear", || {
            gauge.report(1.0);
            alert(&city, &vy, "DeviceClockWrong", id).filter(|alert| alert["state"] == "cleared")
        });
        assert_eq!(device(&vy, id)["clock_wrong"], false);
    }
    until("both in the metrics", || (city.metrics().get("ioc_device_clocks_measured") == 2.0).then_some(()));
}

/// Its readings are late for good, so that somebody is told; also where the rules are a directory of one's own.
#[test]
fn a_clock_that_stands_still_is_told() {
    let mut city = City::with_rules(&rules::high_water());
    let vy = city.user("vy", "viewer");
    let mut gauge = Gauge::new(&city, "WL-1", 0);
    let stopped = one(now_ms() - 130 * SECOND_MS, "water_level", 9);
    let found = until("what is wrong with its clock", || {
        gauge.device.publish(&telemetry("WL-1"), &stopped);
        Some(device(&vy, "WL-1")).filter(|device| device["clock_wrong"] == true)
    });
    assert!(found["clock_offset_ms"].as_i64().is_some_and(|least_ms| least_ms >= 130 * SECOND_MS), "{found}");
    until("the alert", || alert(&city, &vy, "DeviceClockWrong", "WL-1"));
    assert_eq!(alert(&city, &vy, "HighWater", "WL-1"), None);

    // After a restart it is not taken for a clock that is steadily behind.
    city.restart();
    gauge.device = city.mqtt("WL-1", &gauge.token);
    gauge.device.publish(&telemetry("WL-1"), &stopped);
    let item = until("the first reading after it", || latest(&vy, "WL-1"));
    assert!(has_flag(&item, "late"), "{item}");
    until("the end of the alert", || {
        gauge.report(1.0);
        alert(&city, &vy, "DeviceClockWrong", "WL-1").filter(|alert| alert["state"] == "cleared")
    });
}

/// By a server whose clock is 20 minutes ahead, or 6 minutes 40 behind, right devices are judged as right.
#[test]
fn our_own_wrong_clock_costs_no_alert() {
    for own_ms in [20 * MINUTE_MS, -400 * SECOND_MS] {
        let mut city = City::with_rules(&rules::high_water());
        let vy = city.user("vy", "viewer");
        let mut gauges: Vec<_> = (0..5).map(|n| Gauge::new(&city, &format!("WL-{n}"), own_ms)).collect();
        gauges.iter_mut().for_each(|gauge| _ = gauge.measured(&vy, 1.0));
        until("what most devices agree on", || {
            Some(vy.get("/api/v1/clock").expect(200)).filter(|clock| !clock["ahead_ms"].is_null())
        });
        let text = city.client().get("/health/ready").text();
        assert!(text.contains("readings are judged by their time, alerts go on"), "{text}");
        for gauge in &mut gauges {
            gauge.report(9.0);
            until("its alert", || alert(&city, &vy, "HighWater", &gauge.id));
            assert_eq!(device(&vy, &gauge.id)["clock_wrong"], false);
            until("its offset in history", || {
                city.points(&vy, &gauge.id, "device_clock_offset", 0, now_ms() + MINUTE_MS).pop()
            });
        }
        // One that goes by our clock is heard as well.
        let mut ours = Gauge::new(&city, "WL-OURS", 0);
        ours.report(9.0);
        until("its alert", || alert(&city, &vy, "HighWater", "WL-OURS"));

        // After a restart the first reading counts.
        city.restart();
        for gauge in &mut gauges {
            gauge.device = city.mqtt(&gauge.id, &gauge.token);
            gauge.report(1.0);
            until("the end of its alert", || {
                alert(&city, &vy, "HighWater", &gauge.id).filter(|alert| alert["state"] == "cleared")
            });
        }
        assert_eq!(
            alert(&city, &vy, "DeviceClockWrong", "WL-1").filter(|alert| alert["state"] == "firing"),
            None
        );
    }
}

/// A server whose clock is ten minutes ahead sees all devices ten minutes behind.
#[test]
fn our_own_wrong_clock_is_noticed() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    for n in 0..6 {
        let offset_ms = if n == 5 { 0 } else { 10 * MINUTE_MS };
        let mut gauge = Gauge::new(&city, &format!("WL-{n}"), offset_ms);
        gauge.measured(&vy, 1.0);
    }
    let clock = until("most devices agree", || {
        Some(vy.get("/api/v1/clock").expect(200)).filter(|clock| !clock["ahead_ms"].is_null())
    });
    let ahead_ms = clock["ahead_ms"].as_i64().unwrap();
    assert!((10 * MINUTE_MS..10 * MINUTE_MS + 5 * SECOND_MS).contains(&ahead_ms), "{clock}");
    assert_eq!((&clock["devices_agreeing"], &clock["devices_measured"]), (&json!(5), &json!(6)));
    let ready = city.client().get("/health/ready");
    assert_eq!(ready.status, 200, "alerts go on");
    assert!(ready.text().contains("ahead: 5 of 6 devices say so"), "{}", ready.text());
    assert!(city.metrics().get("ioc_clock_ahead_of_devices_seconds") >= 600.0);
    assert!(city.log().contains("the clock of this server seems to be wrong"));
}

/// The alert comes whatever the clock says, from the first reading within two minutes and once the offset is known beyond.
#[test]
fn whatever_its_clock_says_a_gauge_raises_its_alert() {
    let city = City::with_rules(&rules::high_water());
    let vy = city.user("vy", "viewer");
    for (n, seconds) in [-299, -240, -5, 0, 35, 60, 90, 119, 300, 890].into_iter().enumerate() {
        let id = format!("WL-{n}");
        let mut gauge = Gauge::new(&city, &id, seconds * SECOND_MS);
        if seconds >= 120 {
            gauge.measured(&vy, 1.0);
        }
        gauge.report(9.0);
        until(&format!("the alert of a gauge {seconds} s behind"), || alert(&city, &vy, "HighWater", &id));
        gauge.report(1.0);
        until(&format!("its end, {seconds} s behind"), || {
            alert(&city, &vy, "HighWater", &id).filter(|alert| alert["state"] == "cleared")
        });
    }
}

/// Waits until what was journaled so far is on the wall: another gauge's reading, sent after it, is.
fn settled(vy: &Client, other: &mut Gauge) {
    let ts = other.report(1.0);
    until("a reading that was sent after it", || {
        latest(vy, &other.id).filter(|item| item["t"].as_i64().is_some_and(|t| t >= ts))
    });
}

/// Has each gauge report so many times, a second apart.
fn report_at_pace(gauges: &mut [Gauge], level: f64, times: u32) {
    for _ in 0..times {
        gauges.iter_mut().for_each(|gauge| _ = gauge.report(level));
        // The pace is what the clock is measured by.
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Whether NTP, a restart or a person set it: what a device sends next is shown and raises its alert after two messages,
/// and a restart of ours does not bring back what was before.
#[test]
fn a_clock_that_is_set_back_hides_nothing_for_long() {
    let mut city = City::with_rules(&rules::high_water());
    let vy = city.user("vy", "viewer");
    let mut other = Gauge::new(&city, "WL-OTHER", 0);
    let steps = [15 * SECOND_MS, 200 * SECOND_MS];
    let mut gauges = steps.map(|step_ms| Gauge::new(&city, &format!("WL-{step_ms}"), 0));
    report_at_pace(&mut gauges, 1.0, 5);
    let before = now_ms();
    for (gauge, step_ms) in gauges.iter_mut().zip(steps) {
        gauge.offset_ms = step_ms;
    }
    let shown = |gauge: &Gauge, level: f64| latest(&vy, &gauge.id).filter(|item| item["value"] == level);
    let sent = (1..=6).find(|_| {
        report_at_pace(&mut gauges, 9.0, 1);
        settled(&vy, &mut other);
        gauges.iter().all(|gauge| shown(gauge, 9.0).is_some())
    });
    assert!(sent.is_some_and(|sent| sent <= 4), "shown after {sent:?} messages");
    for gauge in &gauges {
        until("its alert", || alert(&city, &vy, "HighWater", &gauge.id));
        let t = shown(gauge, 9.0).and_then(|item| item["t"].as_i64());
        assert!(t.is_some_and(|t| t < before), "event times stay as they are: {t:?}");
    }
    report_at_pace(&mut gauges, 7.0, 1);
    for (gauge, step_ms) in gauges.iter().zip(steps) {
        until("its offset in history", || {
            let offsets = city.points(&vy, &gauge.id, "device_clock_offset", before, now_ms() + MINUTE_MS);
            offsets.last().is_some_and(|(_, offset)| *offset * 1e3 >= step_ms as f64).then_some(())
        });
    }

    city.kill();
    city.start();
    for gauge in &mut gauges {
        let found = latest(&vy, &gauge.id);
        assert!(shown(gauge, 7.0).is_some(), "the last one before the crash, not the latest time: {found:?}");
        gauge.device = city.mqtt(&gauge.id, &gauge.token);
        gauge.report(6.0);
        until("the first one after it", || shown(gauge, 6.0));
        gauge.report(1.0);
        until("the end of the alert", || {
            alert(&city, &vy, "HighWater", &gauge.id).filter(|alert| alert["state"] == "cleared")
        });
    }
}

/// The newest reading is the one that came last, not the one with the latest time: on the wall after a start as before it.
#[test]
fn a_start_shows_what_came_last_whatever_its_time() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let mut gauges =
        [-280, -5, 0, 60].map(|seconds| Gauge::new(&city, &format!("WL-{seconds}"), seconds * SECOND_MS));
    for gauge in &mut gauges {
        gauge.report(1.0);
        until("the first reading", || latest(&vy, &gauge.id));
        // Its clock is right from here on, or a little behind.
        gauge.offset_ms = gauge.offset_ms.max(0);
        gauge.report(9.0);
    }
    let shown = |gauge: &Gauge| latest(&vy, &gauge.id).filter(|item| item["value"] == 9.0);
    let before = gauges.each_ref().map(|gauge| until("the last reading", || shown(gauge)));
    for is_clean in [true, false] {
        if is_clean {
            city.restart();
        } else {
            city.kill();
            city.start();
        }
        assert_eq!(gauges.each_ref().map(|gauge| latest(&vy, &gauge.id)), before.clone().map(Some));
    }
}

/// Windows hold after a start, and when rules are loaded, what a clock that is ahead wrote before.
#[test]
fn a_start_and_a_reload_find_what_a_clock_ahead_wrote() {
    let many = |name: &str| rules::rule(name, "count_over_time(water_level[120s]) >= 24", "high", "");
    let mut city = City::with_rules(&rules::file("many", &[many("Many")]));
    let vy = city.user("vy", "viewer");
    let offsets = [-290, -60, -12, 0];
    let mut gauges = offsets.map(|seconds| Gauge::new(&city, &format!("WL-{seconds}"), seconds * SECOND_MS));
    let batch = |gauge: &mut Gauge| {
        // Not within the same millisecond, however fast it is answered: that would be the same readings.
        let sent = now_ms();
        until("the next millisecond", || (now_ms() > sent).then_some(()));
        let newest = now_ms() - gauge.offset_ms;
        let readings = (0..10).map(|n| json!({ "ts": newest - n * 700, "values": { "water_level": n } }));
        gauge.device.publish(&telemetry(&gauge.id), Value::from_iter(readings).to_string().as_bytes());
    };
    for gauge in &mut gauges {
        batch(gauge);
        batch(gauge);
    }
    city.kill();
    city.start();
    assert_eq!(city.alerts(&vy, "Many"), [Value::Null; 0]);
    for gauge in &mut gauges {
        gauge.device = city.mqtt(&gauge.id, &gauge.token);
        batch(gauge);
        until("the alert of what came before the start and after it", || {
            alert(&city, &vy, "Many", &gauge.id)
        });
    }
    city.write_rules("city.yaml", &rules::file("many", &[many("Again")]));
    for gauge in &mut gauges {
        until("the alert of a new rule", || alert(&city, &vy, "Again", &gauge.id));
    }
}
