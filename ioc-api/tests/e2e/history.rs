//! History answers with what was published: raw, in buckets, in groups, the top; and refuses rather than cuts.
use crate::support::{City, Client, Mqtt, now_ms, one, telemetry, until, within};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const HOUR_MS: i64 = 3_600_000;
/// Most objects in one array.
const ARRAY_MAX: usize = 1000;

/// Publishes in arrays as long as the server takes them.
fn publish_all(device: &mut Mqtt, id: &str, property: &str, points: &[(i64, f64)]) {
    for chunk in points.chunks(ARRAY_MAX) {
        let elements: Vec<Value> =
            chunk.iter().map(|(ts, v)| json!({ "ts": ts, "values": { property: v } })).collect();
        device.publish(&telemetry(id), Value::from(elements).to_string().as_bytes());
    }
}

fn buckets(client: &Client, query: &str) -> Vec<Value> {
    client.get(&format!("/api/v1/history?{query}")).expect(200)["points"].as_array().unwrap().clone()
}

/// Waits until the store has taken what was acknowledged.
fn settled(city: &City, observations: f64) {
    until("the observations in history", || (city.metrics().ledger()[0] >= observations).then_some(()));
}

#[test]
fn raw_history_is_what_was_published_from_inclusive_to_exclusive() {
    let mut city = City::prepare("");
    city.start();
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    let begin = now_ms() - HOUR_MS;
    let points: Vec<(i64, f64)> = (0..100).map(|n| (begin + n * 1000, f64::from(n as i32) / 8.0)).collect();
    let mut device = city.mqtt("WL-1", &token);
    // Late, out of order, in one array and one by one: history sorts them.
    let (even, odd): (Vec<_>, Vec<_>) = points.iter().partition(|(ts, _)| (ts - begin) % 2000 == 0);
    publish_all(&mut device, "WL-1", "water_level", &odd);
    for (ts, value) in even.iter().rev() {
        device.publish(&telemetry("WL-1"), &one(*ts, "water_level", *value));
    }
    settled(&city, 100.0);

    let range = |from: i64, to: i64| city.points(&vy, "WL-1", "water_level", from, to);
    assert_eq!(range(begin, begin + 100_000), points);
    assert_eq!(range(begin + 1000, begin + 3000), points[1..3], "from inclusive, to exclusive");
    assert_eq!(range(begin + 1, begin + 1000), []);
    assert_eq!(range(begin + HOUR_MS * 30, begin + HOUR_MS * 31), [], "200 with no points");
    assert_eq!(city.points(&vy, "WL-1", "rain_1h", begin, begin + 1000), [], "a property never reported");

    let text = jiff::Timestamp::from_millisecond(begin + 1000).unwrap().to_string();
    let hue = jiff::Timestamp::from_millisecond(begin + 3000)
        .unwrap()
        .to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7)));
    let hue = hue.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string().replace('+', "%2B");
    let answer =
        vy.get(&format!("/api/v1/history?device=WL-1&property=water_level&from={text}&to={hue}")).expect(200);
    assert_eq!(answer["unit"], "m");
    assert_eq!(
        answer["points"],
        json!([{ "t": begin + 1000, "v": 0.125 }, { "t": begin + 2000, "v": 0.25 }])
    );

    city.restart();
    let again = city.points(&vy, "WL-1", "water_level", begin, begin + 100_000);
    assert_eq!(again, points, "the same after a restart");
    vy.get("/api/v1/history?device=WL-1&property=water_level&from=5&to=5").problem(400);
    vy.get("/api/v1/history?device=WL-1&property=water_level&from=0&to=9&buckets=0").problem(400);
    vy.get("/api/v1/history?device=WL-1&property=water_level&from=0&to=9&buckets=10001").problem(400);
}

#[test]
fn buckets_groups_and_the_top_are_computed_from_what_was_published() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let begin = (now_ms() / HOUR_MS - 2) * HOUR_MS;
    let mut expected: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for n in 0..3_i64 {
        let id = format!("WL-{n}");
        let token = city.device(&id, "water-level");
        let points: Vec<(i64, f64)> =
            (0..60).map(|minute| (begin + minute * 60_000, (n + minute % 7) as f64)).collect();
        publish_all(&mut city.mqtt(&id, &token), &id, "water_level", &points);
        expected.insert(id, points.iter().map(|(_, value)| *value).collect());
    }
    settled(&city, 180.0);

    let end = begin + HOUR_MS;
    let found = buckets(&vy, &format!("device=WL-1&property=water_level&from={begin}&to={end}&buckets=4"));
    assert_eq!(found.len(), 4);
    for (bucket, values) in found.iter().zip(expected["WL-1"].chunks(15)) {
        let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(min, max), v| (min.min(*v), max.max(*v)));
        assert_eq!((bucket["min"].as_f64(), bucket["max"].as_f64()), (Some(min), Some(max)));
        let mean = values.iter().sum::<f64>() / 15.0;
        assert!((bucket["mean"].as_f64().unwrap() - mean).abs() < 1e-9, "{bucket}");
        assert_eq!((bucket["last"].as_f64(), bucket["count"].as_u64()), (values.last().copied(), Some(15)));
    }
    assert_eq!(found[1]["t"].as_i64(), Some(begin + 15 * 60_000));

    let ward = vy.get("/api/v1/devices/WL-0").expect(200)["ward"].clone();
    let path = format!(
        "/api/v1/history/groups?domain=environment&property=water_level&group_by=ward&interval=1800&from={begin}&to={end}&agg=max"
    );
    let groups = vy.get(&path).expect(200)["groups"].as_array().unwrap().clone();
    assert_eq!((groups.len(), &groups[0]["group"]), (1, &ward));
    let points = groups[0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    assert_eq!((points[0]["value"].as_f64(), points[0]["count"].as_u64()), (Some(8.0), Some(90)));

    let top = |agg: &str| -> Vec<(String, f64)> {
        let path = format!("/api/v1/history/top?property=water_level&from={begin}&to={end}&n=2&agg={agg}");
        let list = vy.get(&path).expect(200)["items"].as_array().unwrap().clone();
        list.iter()
            .map(|item| (item["device"].as_str().unwrap().to_owned(), item["value"].as_f64().unwrap()))
            .collect()
    };
    assert_eq!(top("max"), [("WL-2".to_owned(), 8.0), ("WL-1".to_owned(), 7.0)]);
    vy.get(&format!("/api/v1/history/top?property=water_level&from={begin}&to={end}&agg=best")).problem(400);
}

#[test]
fn sound_levels_are_averaged_as_energies() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let token = city.device("NOI-1", "noise-meter");
    let begin = now_ms() - 60_000;
    publish_all(&mut city.mqtt("NOI-1", &token), "NOI-1", "laeq", &[(begin, 50.0), (begin + 1000, 80.0)]);
    settled(&city, 2.0);
    let found =
        buckets(&vy, &format!("device=NOI-1&property=laeq&from={begin}&to={}&buckets=1", begin + 10_000));
    let expected = 10.0 * ((1e5 + 1e8) / 2.0_f64).log10();
    assert!((found[0]["mean"].as_f64().unwrap() - expected).abs() < 1e-6, "{} is not {expected}", found[0]);
}

#[test]
fn a_hundred_thousand_points_are_one_answer_and_one_more_is_refused() {
    const MAX: i64 = 100_000;
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let token = city.device("WL-1", "water-level");
    let begin = now_ms() - 4 * HOUR_MS;
    let points: Vec<(i64, f64)> = (0..=MAX).map(|n| (begin + n * 100, (n % 80) as f64 / 8.0)).collect();
    publish_all(&mut city.mqtt("WL-1", &token), "WL-1", "water_level", &points);
    within(Duration::from_secs(60), "all in history", || {
        (city.metrics().ledger()[1] > MAX as f64).then_some(())
    });
    let end = begin + MAX * 100;
    assert_eq!(city.points(&vy, "WL-1", "water_level", begin, end), points[..MAX as usize]);
    let path = format!("/api/v1/history?device=WL-1&property=water_level&from={begin}&to={}", end + 1);
    let detail = vy.get(&path).problem(400);
    assert!(detail.contains("100000") || detail.contains("100,000"), "{detail}");
    assert!(detail.contains("buckets"), "it says what would be right: {detail}");
    let found =
        buckets(&vy, &format!("device=WL-1&property=water_level&from={begin}&to={}&buckets=1", end + 1));
    assert_eq!(found[0]["count"].as_i64(), Some(MAX + 1));
}
