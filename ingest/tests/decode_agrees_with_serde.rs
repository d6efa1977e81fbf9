//! The hand-written reader against serde_json: what one takes the other takes, with the same values.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ioc_ingest::{Context, DecodeLimits, Decoder, Device};
use ioc_model::{Catalogue, DeviceIndex, Domain, Message, Quality};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::{Arc, LazyLock};

const NOW: i64 = 1_761_523_200_000;

static DECODER: LazyLock<Decoder> = LazyLock::new(|| {
    let number = "min = -1e6, max = 1e6, title = { vi = \"a\", en = \"b\" }";
    let text = format!(
        "property.a = {{ id = 1, {number} }}\nproperty.b = {{ id = 2, {number} }}\n\
         property.đ = {{ id = 3, {number} }}\n[kind]\n"
    )
    .replace("property.đ", "property.\"đ\"");
    Decoder::new(Arc::new(Catalogue::from_toml(&text).unwrap()), DecodeLimits::default())
});

static DEVICE: LazyLock<Device> = LazyLock::new(|| Device {
    index: DeviceIndex(0),
    id: "X".parse().unwrap(),
    domain: Domain::from_static("environment"),
    kind: "x".into(),
    lat: 0.0,
    lon: 0.0,
    ward: None,
    parent: None,
    labels: Default::default(),
    reporting_period_s: 1,
    retired: false,
    created_ms: 0,
});

fn decode(payload: &[u8]) -> Message {
    let context =
        Context { device: &DEVICE, credential: "X", topic: "t", payload, arrival_ms: NOW, dup_from_ms: None };
    DECODER.decode(&context).0
}

/// Values that serde_json sees in objects of the right shape: property, time, value.
fn oracle(payload: &[u8]) -> Option<Vec<(u16, i64, Value)>> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    let elements = if let Value::Array(elements) = value { elements } else { vec![value] };
    let mut found = Vec::new();
    for element in elements.iter().take(DecodeLimits::default().elements_max) {
        let values = element.get("values").and_then(Value::as_object);
        let ts = element.get("ts").and_then(|ts| ts.as_i64().or_else(|| Some(ts.as_f64()?.floor() as i64)));
        for (id, name) in [(1, "a"), (2, "b"), (3, "đ")] {
            if let (Some(value), Some(ts)) = (values.and_then(|values| values.get(name)), ts) {
                found.push((id, ts, value.clone()));
            }
        }
    }
    Some(found)
}

fn check(payload: &[u8]) -> Result<(), TestCaseError> {
    let message = decode(payload);
    let shown = String::from_utf8_lossy(payload);
    let Some(expected) = oracle(payload) else {
        // Something of it may be of use, but never all.
        prop_assert!(message.rejected.is_some(), "taken: {shown}");
        return Ok(());
    };
    let in_time = NOW - DecodeLimits::default().retention_ms..=NOW + 300_000;
    let is_good = |value: &f64, ts: &i64| (-1e6..=1e6).contains(value) && in_time.contains(ts);
    for (id, ts, value) in &expected {
        let last = message.observations.iter().rev().find(|o| o.property.0 == *id && o.ts_ms == *ts);
        // Another object of the same time may have the value.
        let same = expected.iter().filter(|(other, at, _)| (other, at) == (id, ts)).count() > 1;
        match value.as_f64().filter(|value| is_good(value, ts)) {
            // serde_json's own rounding may be one unit off.
            Some(value) => {
                let found = last.map(|o| o.value);
                prop_assert!(
                    same || found.is_some_and(|f| (f - value).abs() <= value.abs() * 1e-15),
                    "{shown}: {found:?}"
                );
            }
            None => prop_assert!(same || last.is_none(), "{shown}: {last:?}"),
        }
    }
    let timed = message.observations.iter().filter(|o| !o.quality.contains(Quality::ARRIVAL_TIMED));
    for found in timed {
        let known = |(id, ts, _): &(u16, i64, Value)| (*id, *ts) == (found.property.0, found.ts_ms);
        prop_assert!(expected.iter().any(known), "{shown}: {found:?}");
    }
    Ok(())
}

fn leaf() -> impl Strategy<Value = Value> {
    let simple = prop_oneof![
        6 => (-1.2e6..1.2e6f64).prop_map(|v| json!(v)),
        3 => (-2_000_000i64..2_000_000).prop_map(|v| json!(v)),
        1 => any::<f64>().prop_map(|v| json!(v)),
        1 => ".{0,6}".prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    simple.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[ab\"\\\\đ]{0,3}", inner, 0..3)
                .prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

fn element() -> impl Strategy<Value = Value> {
    let name = prop_oneof![8 => "[abđ]", 1 => ".{0,4}"];
    let values = prop::collection::vec((name, leaf()), 0..5);
    let ts = prop_oneof![
        8 => (NOW - 1_000_000..NOW + 400_000).prop_map(|v| json!(v)),
        1 => leaf()
    ];
    (prop::option::of(ts), prop::option::weighted(0.95, values), prop::option::weighted(0.1, leaf()), 0..60u8)
        .prop_map(|(ts, values, seq, odd)| {
            let mut element = Map::new();
            element.extend(ts.map(|ts| ("ts".to_owned(), ts)));
            element.extend(values.map(|v| ("values".to_owned(), Value::Object(Map::from_iter(v)))));
            element.extend(seq.map(|seq| ("seq".to_owned(), seq)));
            if odd == 0 {
                element.insert("unit".to_owned(), json!("m"));
            }
            Value::Object(element)
        })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        6 => element(),
        3 => prop::collection::vec(element(), 0..4).prop_map(Value::from),
        1 => leaf(),
    ];
    (value, any::<bool>()).prop_map(|(value, pretty)| match pretty {
        true => serde_json::to_vec_pretty(&value).unwrap(),
        false => serde_json::to_vec(&value).unwrap(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn on_payloads(payload in payload()) {
        check(&payload)?;
    }

    #[test]
    fn on_damaged_payloads(
        mut payload in payload(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, prop::sample::select(b"{}[]\",:\\0159.eE+-nNtfu \n\x00\xff\xc4".to_vec())), 1..4),
    ) {
        for (at, how, byte) in damage {
            let at = at.index(payload.len().max(1)).min(payload.len().saturating_sub(1));
            match how {
                _ if payload.is_empty() => payload.push(byte),
                0 => payload[at] = byte,
                1 => payload.insert(at, byte),
                2 => { payload.remove(at); }
                _ => payload.truncate(at),
            }
        }
        // Of a key that stands twice serde_json takes the last; everything else must agree.
        if !has_double_key(&payload) {
            check(&payload)?;
        }
    }

    #[test]
    fn counts_every_value_once(values in prop::collection::vec(("[abcđ]", leaf()), 0..20), ts in prop::option::of(NOW - 1000..NOW)) {
        let values = Map::from_iter(values);
        let count = values.len();
        let mut element = json!({ "values": values });
        if let Some(ts) = ts {
            element["ts"] = json!(ts);
        }
        let message = decode(element.to_string().as_bytes());
        let refused = message.rejected.map_or(0, |rejected| rejected.items.len());
        prop_assert_eq!(message.observations.len() + refused, count);
    }

    #[test]
    fn garbage_never_panics_and_is_refused(payload in prop::collection::vec(any::<u8>(), 0..60)) {
        let message = decode(&payload);
        prop_assert!(message.observations.is_empty() && message.rejected.is_some());
    }

    #[test]
    fn structure_without_sense_never_panics(payload in "[\\[\\]{}\",:\\\\ 1-nat/*'\n]{0,80}") {
        prop_assert!(decode(payload.as_bytes()).rejected.is_some() || oracle(payload.as_bytes()).is_some());
    }
}

/// Reports whether a key stands twice in an object of a message that serde_json takes.
fn has_double_key(payload: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(payload) else { return false };
    let colons = |text: &str| text.matches("\":").count();
    let text = String::from_utf8_lossy(payload);
    let packed: String = text.split_whitespace().collect();
    colons(&packed) != colons(&value.to_string().split_whitespace().collect::<String>())
}
