//! Devices of four domains, and what they say: about 105 bytes, another event time in every message.
use crate::{mqtt, now_ms};
use serde_json::{Value, json};

const TS_LEN: usize = 13;
/// Stands in a payload where the event time goes.
const TS: &str = "0000000000000";
/// Stands in a payload where a digit changes from message to message.
const DIGIT: char = '#';

/// What a kind of device says; the mix is that of a city, one entry per twentieth of the fleet.
#[rustfmt::skip]
const KINDS: [(u8, Kind); 6] = [
    (8, Kind { domain: "lighting", kind: "luminaire", prefix: "LUM", values:
        r#""illuminance_level":0.80,"active_power":96.4#,"supply_voltage":229.7}"# }),
    (5, Kind { domain: "parking", kind: "parking-bay", prefix: "BAY", values:
        r#""occupied":true,"occupied_since_s":180#,"battery":0.87},"quality":{"battery":"good"}"# }),
    (3, Kind { domain: "traffic", kind: "traffic-detector", prefix: "DET", values:
        r#""vehicle_count":12,"occupancy":0.12#,"average_vehicle_speed":38.2}"# }),
    (2, Kind { domain: "environment", kind: "noise-meter", prefix: "NOI", values:
        r#""laeq":54.2#,"lamax":61.30},"quality":{"laeq":"good","lamax":"good"}"# }),
    (1, Kind { domain: "environment", kind: "water-level", prefix: "WL", values:
        r#""water_level":0.41#,"water_level_rate":0.010},"quality":{"water_level":"good"}"# }),
    (1, Kind { domain: "environment", kind: "air-station", prefix: "AIR", values:
        r#""pm25":18.2#,"pm10":31.5,"no2":20.1,"temperature":27.5,"relative_humidity":0.78}"# }),
];

/// A station that sends five pollutants at once: every value goes into the air quality index and into rules.
const AIR: Kind = Kind {
    domain: "environment",
    kind: "air-station",
    prefix: "AQ",
    values: r#""pm25":18.2034#,"pm10":31.50812,"no2":20.11729,"so2":6.25143,"o3":41.7263}"#,
};

/// Which devices speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Six kinds in the proportions of a city.
    City,
    /// Air stations alone.
    Air,
}

impl Mix {
    /// Makes `count` devices, the same every time.
    pub fn devices(self, count: usize) -> Vec<Device> {
        match self {
            Self::City => devices(count),
            Self::Air => (0..count).map(|number| Device::new(AIR, number)).collect(),
        }
    }
}

/// A signal controller; its lamp fault raises an alert at once.
const SIGNAL: Kind =
    Kind { domain: "traffic", kind: "signal-controller", prefix: "SIG", values: r#""lamp_fault":#}"# };

#[derive(Debug, Clone, Copy)]
struct Kind {
    domain: &'static str,
    kind: &'static str,
    prefix: &'static str,
    values: &'static str,
}

/// A registered device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Name and MQTT client id.
    pub id: String,
    kind: Kind,
    number: usize,
}

/// Makes `count` devices, the same every time.
pub fn devices(count: usize) -> Vec<Device> {
    let twenty: Vec<Kind> = KINDS.iter().flat_map(|(of, kind)| (0..*of).map(|_| *kind)).collect();
    (0..count).map(|number| Device::new(twenty[number % twenty.len()], number)).collect()
}

/// Makes `count` noise meters.
pub fn noise_meters(count: usize) -> Vec<Device> {
    let noise = KINDS.iter().map(|(_, kind)| *kind).find(|kind| kind.kind == "noise-meter").unwrap_or(SIGNAL);
    (0..count).map(|number| Device { id: format!("NOISE-{number:03}"), kind: noise, number }).collect()
}

/// Makes `count` signal controllers.
pub fn signals(count: usize) -> Vec<Device> {
    let signal = |number| Device { id: format!("{}-{number:03}", SIGNAL.prefix), kind: SIGNAL, number };
    (0..count).map(signal).collect()
}

impl Device {
    fn new(kind: Kind, number: usize) -> Self {
        Self { id: format!("{}-{number:05}", kind.prefix), kind, number }
    }

    /// Returns how many readings are in its message.
    pub fn readings(&self) -> usize {
        let values = self.kind.values.split('}').next().unwrap_or_default();
        values.matches(':').count()
    }

    /// Returns the topic that it publishes to.
    pub fn topic(&self) -> String {
        format!("ioc/v1/{}/{}/telemetry", self.kind.domain, self.id)
    }

    /// Returns what the admin socket wants to know for registering it.
    pub fn registration(&self) -> Value {
        let (row, column) = (self.number / 50 % 50, self.number % 50);
        json!({
            "op": "device-add",
            "id": self.id,
            "domain": self.kind.domain,
            "kind": self.kind.kind,
            "lat": 16.44 + row as f64 * 0.0008,
            "lon": 107.56 + column as f64 * 0.0008,
            "labels": {
                "street": format!("street-{row}"),
                "cabinet": format!("CAB-{row:03}"),
                "feeder": "F1",
                "junction": format!("J-{row}"),
            },
        })
    }

    /// Returns its message, to be sent again and again.
    pub fn template(&self) -> Template {
        let payload = format!(r#"{{"ts":{TS},"values":{{{}}}"#, self.kind.values);
        let (mut packet, id_at) = mqtt::publish(&self.topic(), payload.as_bytes());
        let payload_at = packet.len() - payload.len();
        let ts_at = payload_at + payload.find(TS).unwrap_or_default();
        let digit_at = payload_at + payload.find(DIGIT).unwrap_or_default();
        packet[digit_at] = b'0';
        Template { packet, id_at, ts_at, digit_at }
    }
}

/// A PUBLISH in which packet id, event time and a digit of a value change.
#[derive(Debug, Clone)]
pub struct Template {
    packet: Vec<u8>,
    id_at: usize,
    ts_at: usize,
    digit_at: usize,
}

impl Template {
    /// Moves the event time to now, never back.
    pub fn catch_up(&mut self) {
        let now = format!("{:0TS_LEN$}", now_ms());
        if &self.packet[self.ts_at..self.ts_at + TS_LEN] < now.as_bytes() {
            self.packet[self.ts_at..self.ts_at + TS_LEN].copy_from_slice(now.as_bytes());
        }
    }

    /// Appends the next message: one millisecond later than the one before.
    pub fn put_next(&mut self, packet_id: u16, out: &mut Vec<u8>) {
        self.packet[self.id_at..self.id_at + 2].copy_from_slice(&packet_id.to_be_bytes());
        let ts = &mut self.packet[self.ts_at..self.ts_at + TS_LEN];
        for digit in ts.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
        self.packet[self.digit_at] = self.packet[self.ts_at + TS_LEN - 1];
        out.extend_from_slice(&self.packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_json_of_about_105_bytes_with_growing_times() {
        for device in devices(20).into_iter().chain(Mix::Air.devices(1)) {
            let mut template = device.template();
            template.catch_up();
            let mut before = 0;
            for packet_id in 1..=30 {
                let mut out = Vec::new();
                template.put_next(packet_id, &mut out);
                let (_, body, _) = mqtt::split(&out).unwrap();
                let (topic, id) = mqtt::topic_and_id(body).unwrap();
                assert_eq!(u16::from_be_bytes(id), packet_id);
                let payload = &body[topic.len() + 4..];
                assert!((95..=115).contains(&payload.len()), "{}: {}", device.id, payload.len());
                let value: Value = serde_json::from_slice(payload).unwrap();
                assert_eq!(value["values"].as_object().map(|values| values.len()), Some(device.readings()));
                let ts = value["ts"].as_i64().unwrap();
                assert!(ts > before && (ts - now_ms()).abs() < 10_000);
                before = ts;
            }
        }
    }
}
