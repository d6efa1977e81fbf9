//! Readings of a device at one instant, and their form on the wire.
use std::fmt::Write as _;

/// One value as a device sends it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reading {
    /// A number and how many decimals the device gives.
    Number(f64, u8),
    /// Yes or no.
    Flag(bool),
    /// The code of one of a list of names.
    Code(u16),
}

/// Values of one instant, by property.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Values(Vec<(&'static str, Reading)>);

impl Values {
    /// Adds a number.
    pub(crate) fn number(&mut self, property: &'static str, value: f64, decimals: u8) {
        self.0.push((property, Reading::Number(value, decimals)));
    }

    /// Adds a flag.
    pub(crate) fn flag(&mut self, property: &'static str, value: bool) {
        self.0.push((property, Reading::Flag(value)));
    }

    /// Adds a code.
    pub(crate) fn code(&mut self, property: &'static str, value: u16) {
        self.0.push((property, Reading::Code(value)));
    }

    /// Adds to a number that is there.
    pub(crate) fn shift(&mut self, property: &str, by: f64) {
        for (name, reading) in &mut self.0 {
            if let Reading::Number(value, _) = reading
                && *name == property
            {
                *value += by;
            }
        }
    }

    /// Puts back the readings of `held`, all of them or those of one property.
    pub(crate) fn hold(&mut self, held: &Self, property: Option<&str>) {
        for (name, reading) in &mut self.0 {
            let is_held = property.is_none_or(|property| property == *name);
            if let Some((_, old)) = held.0.iter().find(|(old, _)| is_held && old == name) {
                *reading = *old;
            }
        }
    }

    /// Writes the native payload: one object with `ts`, `values` and `seq`.
    pub(crate) fn encode(&self, ts_ms: i64, seq: u64) -> String {
        let mut out = String::with_capacity(48 + 28 * self.0.len());
        // Writing to a String cannot fail.
        let _ = write!(out, "{{\"ts\":{ts_ms},\"values\":{{");
        for (position, (name, reading)) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            let _ = match reading {
                Reading::Number(value, decimals) => {
                    write!(
                        out,
                        "{comma}\"{name}\":{:.*}",
                        usize::from(*decimals),
                        nonnegative_zero(*value, *decimals)
                    )
                }
                Reading::Flag(flag) => write!(out, "{comma}\"{name}\":{flag}"),
                Reading::Code(code) => write!(out, "{comma}\"{name}\":{code}"),
            };
        }
        let _ = write!(out, "}},\"seq\":{seq}}}");
        out
    }
}

/// Rounding must not print `-0.00`, and JSON knows no infinities.
fn nonnegative_zero(value: f64, decimals: u8) -> f64 {
    let half = 0.5 * 10f64.powi(-i32::from(decimals));
    if !value.is_finite() || value.abs() < half { 0.0 } else { value }
}

/// Joins encoded objects into one array payload.
pub(crate) fn array(objects: &[String]) -> Vec<u8> {
    format!("[{}]", objects.join(",")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_the_native_form() {
        let mut values = Values::default();
        values.number("water_level", 1.23456, 3);
        values.number("water_level_rate", -0.0001, 3);
        values.flag("door_open", true);
        values.code("signal_mode", 2);
        let text = values.encode(1_700_000_000_123, 42);
        let expected = "{\"ts\":1700000000123,\"values\":{\"water_level\":1.235,\"water_level_rate\":0.000,\
                        \"door_open\":true,\"signal_mode\":2},\"seq\":42}";
        assert_eq!(text, expected);
        let parsed: serde_json::Value = serde_json::from_slice(&array(&[text.clone(), text])).unwrap();
        assert_eq!(parsed.as_array().unwrap().len(), 2);
    }
}
