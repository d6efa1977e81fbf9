//! Each fault does what the scenario file says it does, and ends.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod common;

use common::{DAY_MS, NIGHT_MS, Span, play_incidents};
use firmware_sim::{Action, Kind};

const DEVICES: usize = 120;

fn incident(fault: &str, devices: &str) -> String {
    format!("[[incident]]\nname = 'x'\nat_s = 100\nfor_s = 200\ndevices = {devices}\n{fault}\n")
}

fn by_day(fault: &str, devices: &str) -> Span {
    play_incidents(&incident(fault, devices), DEVICES, DAY_MS, 500)
}

fn by_night(fault: &str, devices: &str) -> Span {
    play_incidents(&incident(fault, devices), DEVICES, NIGHT_MS, 500)
}

/// Values before, while and after the fault; ten seconds around its ends are left out for reports under way.
fn phases(span: &Span, device: &str, property: &str, start_ms: i64) -> [Vec<f64>; 3] {
    [(0, 100), (110, 300), (311, 500)].map(|(from, to)| span.within(device, property, start_ms, from, to))
}

fn assert_flag(span: &Span, device: &str, property: &str, start_ms: i64, normal: f64, faulty: f64) {
    let [before, during, after] = phases(span, device, property, start_ms);
    assert!(!before.is_empty() && !during.is_empty() && !after.is_empty(), "{device} {property}");
    assert!(before.iter().all(|value| *value == normal), "{property} before: {before:?}");
    assert!(during.iter().all(|value| *value == faulty), "{property} during: {during:?}");
    assert!(after.iter().all(|value| *value == normal), "{property} after: {after:?}");
}

#[test]
fn flags_and_modes_come_and_go() {
    let cases = [
        ("fault = 'door_open'", "CAB-001", "door_open", 0.0, 1.0),
        ("fault = 'leakage'", "CAB-001", "leakage", 0.0, 1.0),
        ("fault = 'dead_feeder'\nfeeder = 'F1'", "CAB-001", "feeder_energized", 1.0, 0.0),
        ("fault = 'signal_flash'", "SIG-001", "signal_mode", 0.0, 2.0),
        ("fault = 'signal_dark'", "SIG-001", "signal_mode", 0.0, 4.0),
        ("fault = 'signal_lamp_fault'", "SIG-001", "lamp_fault", 0.0, 1.0),
        ("fault = 'detector_stuck_on'", "DET-0001", "detector_fault", 0.0, 1.0),
        ("fault = 'detector_stuck_off'", "DET-0001", "detector_fault", 0.0, 2.0),
        ("fault = 'detector_erratic'", "DET-0001", "detector_fault", 0.0, 3.0),
        ("fault = 'lamp_failure'", "LUM-00001", "lamp_failure", 0.0, 1.0),
    ];
    for (fault, device, property, normal, faulty) in cases {
        let span = by_day(fault, &format!("{{ ids = ['{device}'] }}"));
        assert_flag(&span, device, property, DAY_MS, normal, faulty);
    }
}

#[test]
fn what_happens_at_once_is_told_at_once() {
    let span = by_day("fault = 'door_open'", "{ ids = ['CAB-001'] }");
    let events = span.readings.iter().filter(|r| r.leaf == "event" && r.device == "CAB-001");
    let told: Vec<_> = events.map(|r| (r.at_ms - DAY_MS, r.values["door_open"])).collect();
    assert_eq!(told, [(100_200, 1.0), (300_200, 0.0)]);
}

#[test]
fn a_controller_starts_up_after_a_fault() {
    let span = by_day("fault = 'signal_flash'", "{ ids = ['SIG-001'] }");
    let modes = span.within("SIG-001", "signal_mode", DAY_MS, 300, 312);
    assert_eq!(modes.first(), Some(&5.0), "{modes:?}");
}

#[test]
fn stuck_drift_and_spike_spoil_one_property() {
    let air = "{ ids = ['AIR-01'] }";
    let stuck = by_day("fault = 'stuck'\nproperty = 'pm25'", air);
    let [_, during, after] = phases(&stuck, "AIR-01", "pm25", DAY_MS);
    assert!(during.len() >= 6 && during.iter().all(|value| *value == during[0]), "{during:?}");
    assert!(after.iter().any(|value| *value != during[0]));
    let other = stuck.within("AIR-01", "no2", DAY_MS, 110, 300);
    assert!(other.iter().any(|value| *value != other[0]));

    let drift = by_day("fault = 'drift'\nproperty = 'temperature'\namount = 360", air);
    let [before, during, _] = phases(&drift, "AIR-01", "temperature", DAY_MS);
    let risen = during.last().unwrap() - before.last().unwrap();
    assert!((14.0..22.0).contains(&risen), "0.1 °C a second for 200 s: {risen}");

    let spike = by_day("fault = 'spike'\nproperty = 'pm25'\namount = 300\nshare = 0.5", air);
    let [before, during, after] = phases(&spike, "AIR-01", "pm25", DAY_MS);
    let high = during.iter().filter(|value| **value > 250.0).count();
    assert!(high > 0 && high < during.len(), "{during:?}");
    assert!(before.iter().chain(&after).all(|value| *value < 200.0));
}

#[test]
fn a_skewed_clock_moves_the_time_stamp() {
    let span = by_day("fault = 'clock_skew'\namount = -45", "{ ids = ['NOI-01'] }");
    for reading in span.readings.iter().filter(|reading| reading.device == "NOI-01") {
        let at_s = (reading.at_ms - DAY_MS) / 1000;
        let expected = if (100..300).contains(&at_s) { 45_000 } else { 0 };
        assert_eq!(reading.at_ms - reading.ts_ms, expected);
    }
}

#[test]
fn duplicates_repeat_message_and_number() {
    let span = by_day("fault = 'duplicates'\nshare = 1", "{ ids = ['NOI-01'] }");
    let numbers: Vec<u64> = span.readings.iter().filter(|r| r.device == "NOI-01").map(|r| r.seq).collect();
    let repeated =
        numbers.iter().filter(|seq| numbers.iter().filter(|other| other == seq).count() == 2).count();
    assert_eq!(repeated, 2 * 20, "twenty reports in 200 s, each twice: {numbers:?}");
}

#[test]
fn silence_is_made_up_for_later_in_arrays_and_out_of_order() {
    let span = by_day("fault = 'silence'\nbackfill = true", "{ ids = ['RAIN-01'] }");
    let of_gauge: Vec<_> = span.readings.iter().filter(|r| r.device == "RAIN-01").collect();
    let sent_during = of_gauge.iter().filter(|r| (100_000..300_000).contains(&(r.at_ms - DAY_MS))).count();
    assert_eq!(sent_during, 0);
    let late: Vec<_> = of_gauge.iter().filter(|r| r.at_ms - r.ts_ms > 1000).map(|r| r.ts_ms).collect();
    assert_eq!(late.len(), 10, "one in twenty seconds for 200 s");
    assert!(late.windows(2).any(|pair| pair[0] > pair[1]), "in order: {late:?}");
    let arrays = span.events.iter().filter(|event| match &event.action {
        Action::Publish { payload, .. } => payload.starts_with(b"["),
        _ => false,
    });
    assert_eq!(arrays.count(), 1);
    let without = by_day("fault = 'silence'\nbackfill = false", "{ ids = ['RAIN-01'] }");
    assert!(without.within("RAIN-01", "rain_1h", DAY_MS, 100, 300).is_empty());
}

#[test]
fn an_outage_cuts_the_gateway_with_all_behind_it() {
    let span = by_day("fault = 'outage'", "{ ids = ['SIG-001'] }");
    let cuts = span.events.iter().filter(|event| event.action == Action::Cut).count();
    let returns = span.events.iter().filter(|event| event.action == Action::Restore).count();
    assert_eq!((cuts, returns), (1, 1));
    for device in ["SIG-001", "DET-0001"] {
        let sent = span.readings.iter().filter(|r| r.device == device);
        assert!(!sent.clone().any(|r| (100_000..300_000).contains(&(r.at_ms - DAY_MS))));
        assert!(sent.filter(|r| (100_000..300_000).contains(&(r.ts_ms - DAY_MS))).count() >= 10, "{device}");
    }
}

#[test]
fn a_reconnect_storm_brings_everyone_back_at_once() {
    let span = by_day("fault = 'reconnect_storm'", "{ kind = 'parking-bay' }");
    let back: Vec<i64> =
        span.events.iter().filter(|e| e.action == Action::Restore).map(|e| e.at_ms).collect();
    assert!(back.len() > 5 && back.iter().all(|at_ms| *at_ms == back[0]), "{back:?}");
    let cut: std::collections::HashSet<_> =
        span.events.iter().filter(|e| e.action == Action::Cut).map(|e| e.connection).collect();
    assert_eq!(cut.len(), back.len());
}

#[test]
fn a_dead_cabinet_takes_its_lamps_along_and_lives_on_its_battery_for_a_while() {
    let span = by_night("fault = 'dead_cabinet'\namount = 60", "{ ids = ['CAB-001'] }");
    let lamps =
        span.fleet.iter().filter(|d| d.label("cabinet") == Some("CAB-001") && d.kind == Kind::Luminaire);
    for lamp in lamps {
        let id = lamp.id.as_str();
        assert!(span.within(id, "active_power", NIGHT_MS, 100, 300).is_empty());
        assert!(!span.within(id, "active_power", NIGHT_MS, 300, 400).is_empty());
    }
    let on_battery = span.within("CAB-001", "phase_voltage_r", NIGHT_MS, 100, 160);
    assert!(!on_battery.is_empty() && on_battery.iter().all(|volts| *volts == 0.0));
    assert!(span.within("CAB-001", "phase_voltage_r", NIGHT_MS, 160, 300).is_empty());
    let power = span.series("CAB-001", "total_active_power");
    assert!(power.iter().any(|(_, kilowatts)| *kilowatts == 0.0));
    assert_eq!(span.events.iter().filter(|event| event.action == Action::Cut).count(), 1);
}

#[test]
fn a_dead_feeder_silences_its_lamps_only() {
    let span = by_night("fault = 'dead_feeder'\nfeeder = 'F1'", "{ ids = ['CAB-001'] }");
    let of_cabinet = |feeder: &str| {
        let lamp = span.fleet.iter().find(|d| {
            d.kind == Kind::Luminaire
                && d.label("cabinet") == Some("CAB-001")
                && d.label("feeder") == Some(feeder)
        });
        lamp.map(|lamp| lamp.id.to_string())
    };
    let dead = of_cabinet("F1").unwrap();
    assert!(span.within(&dead, "active_power", NIGHT_MS, 100, 300).is_empty());
    let [before, during, after] = phases(&span, "CAB-001", "total_active_power", NIGHT_MS);
    assert!(during.iter().all(|kilowatts| *kilowatts < before[0]) && after[0] > during[0]);
    if let Some(alive) = of_cabinet("F2") {
        assert!(!span.within(&alive, "active_power", NIGHT_MS, 110, 300).is_empty());
    }
}

#[test]
fn voltage_reaches_the_lamps() {
    let span = by_night("fault = 'voltage'\namount = 259", "{ ids = ['CAB-001'] }");
    let [before, during, _] = phases(&span, "CAB-001", "phase_voltage_s", NIGHT_MS);
    assert!(before.iter().all(|volts| (215.0..245.0).contains(volts)));
    assert!(during.iter().all(|volts| (257.0..261.0).contains(volts)));
    let lamp = span.within("LUM-00001", "supply_voltage", NIGHT_MS, 110, 300);
    assert!(lamp.iter().all(|volts| *volts > 253.0), "{lamp:?}");
}

#[test]
fn lamps_fail_at_night_and_burn_by_day() {
    let night = by_night("fault = 'lamp_failure'", "{ ids = ['LUM-00001'] }");
    let [before, during, after] = phases(&night, "LUM-00001", "active_power", NIGHT_MS);
    assert!(before.iter().chain(&after).all(|watts| *watts > 20.0));
    assert!(during.iter().all(|watts| *watts < 2.0));
    assert!(
        night.within("LUM-00001", "illuminance_level", NIGHT_MS, 110, 300).iter().all(|level| *level > 0.4)
    );
    let day = by_day("fault = 'day_burner'", "{ ids = ['LUM-00001'] }");
    let [before, during, _] = phases(&day, "LUM-00001", "active_power", DAY_MS);
    assert!(before.iter().all(|watts| *watts < 2.0) && during.iter().all(|watts| *watts > 50.0));
    assert!(day.series("LUM-00001", "illuminance_level").iter().all(|(_, level)| *level == 0.0));
}

#[test]
fn dust_noise_rain_and_jams() {
    let dust = by_day("fault = 'pollution'\namount = 190", "{ ids = ['AIR-01'] }");
    let [before, during, after] = phases(&dust, "AIR-01", "pm25", DAY_MS);
    assert!(before.iter().chain(&after).all(|value| *value < 60.0));
    assert!(during.iter().any(|value| *value > 190.0));
    let noise = by_day("fault = 'noise'\namount = 20", "{ ids = ['NOI-01'] }");
    assert!(phases(&noise, "NOI-01", "laeq", DAY_MS)[1].iter().any(|level| *level > 78.0));
    let rain = by_day("fault = 'rain'\namount = 30", "{ ids = ['RAIN-01'] }");
    let [before, during, _] = phases(&rain, "RAIN-01", "rain_intensity", DAY_MS);
    assert!(before.iter().all(|mm| *mm == 0.0) && during.iter().all(|mm| *mm > 15.0));
    let jam = by_day("fault = 'traffic_jam'\namount = 0.25\nshare = 0.8", "{ ids = ['DET-0001'] }");
    let [before, during, _] = phases(&jam, "DET-0001", "average_vehicle_speed", DAY_MS);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    assert!(mean(&during) < 0.4 * mean(&before), "{during:?} {before:?}");
}

#[test]
fn lots_fill_and_close_and_bays_overstay() {
    let full = by_day("fault = 'lot_full'", "{ ids = ['LOT-01'] }");
    let free = full.within("LOT-01", "available_spot_number", DAY_MS, 130, 300);
    assert!(free.iter().all(|spots| *spots == 0.0), "{free:?}");
    assert!(full.series("LOT-01", "available_spot_number").last().unwrap().1 > 0.0);
    let closed = by_day("fault = 'lot_closed'", "{ ids = ['LOT-01'] }");
    let taken = closed.within("LOT-01", "occupied_spot_number", DAY_MS, 200, 300);
    assert!(taken.iter().all(|spots| *spots == 0.0), "{taken:?}");
    let bay = by_day("fault = 'overstay'\namount = 29000", "{ ids = ['BAY-0001'] }");
    let stays = bay.within("BAY-0001", "occupied_since_s", DAY_MS, 110, 300);
    assert!(stays.iter().all(|seconds| *seconds >= 29_000.0), "{stays:?}");
    let battery = by_day("fault = 'battery_low'\namount = 0.08", "{ ids = ['BAY-0001'] }");
    assert!(battery.within("BAY-0001", "battery", DAY_MS, 110, 300).iter().all(|share| *share == 0.08));
}

#[test]
fn incidents_repeat_and_the_devices_change() {
    let repeating = "[[incident]]\nname = 'x'\nat_s = 10\nevery_s = 60\nfor_s = 20\nfault = 'door_open'\n\
                     devices = { kind = 'lighting-cabinet', count = 1 }\n";
    let span = play_incidents(repeating, 600, DAY_MS, 600);
    let opened =
        span.readings.iter().filter(|r| r.leaf == "event" && r.values.get("door_open") == Some(&1.0));
    let doors: Vec<_> = opened.map(|r| (r.at_ms - DAY_MS, r.device.clone())).collect();
    let times: Vec<i64> = doors.iter().map(|(at_ms, _)| *at_ms).collect();
    assert_eq!(times, (0..10).map(|n| 10_200 + n * 60_000).collect::<Vec<_>>());
    assert!(doors.iter().any(|(_, device)| *device != doors[0].1));
}
