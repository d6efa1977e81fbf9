//! What attackers write.
use ioc_benches::now_ms;

/// Elements of one array, two readings each.
pub(crate) const ELEMENTS: usize = 3_000;
const YEAR_MS: i64 = 364 * 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// In which order event times come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Each later than the one before, from six hours ago on.
    Rising,
    /// Each earlier than the one before.
    Falling,
    /// Anywhere in a year.
    Scattered,
}

/// Makes arrays of 6,000 readings, one after the other.
pub(crate) struct Arrays {
    order: Order,
    begin_ms: i64,
    count: i64,
    random: u64,
}

impl Arrays {
    /// Begins.
    pub(crate) fn new(order: Order) -> Self {
        Self { order, begin_ms: now_ms(), count: 0, random: 0x9E37_79B9_7F4A_7C15 }
    }

    fn next_ts(&mut self) -> i64 {
        self.count += 1;
        match self.order {
            Order::Rising => self.begin_ms - 6 * HOUR_MS + self.count,
            Order::Falling => self.begin_ms - self.count,
            Order::Scattered => {
                // xorshift64
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                self.begin_ms - (self.random % YEAR_MS as u64) as i64
            }
        }
    }

    /// Returns the next array.
    pub(crate) fn next(&mut self) -> String {
        let mut text = String::from("[");
        for element in 0..ELEMENTS {
            let (comma, ts) = (if element == 0 { "" } else { "," }, self.next_ts());
            text.push_str(&format!(
                "{comma}{{\"ts\":{ts},\"values\":{{\"laeq\":54.2,\"lamax\":61.{}}}}}",
                ts % 10
            ));
        }
        text.push(']');
        text
    }
}

/// Returns an array of which every reading is refused.
pub(crate) fn all_bad() -> String {
    let element = r#"{"ts":1,"values":{"laeq":"loud","nothing":true}}"#;
    format!("[{}]", vec![element; ELEMENTS].join(","))
}
