//! Medians, percentiles and tables.
use std::io::{self, Write};

/// Prints a line.
pub fn say(line: impl AsRef<str>) {
    // Nobody reading it is no reason to stop.
    let _ = writeln!(io::stdout(), "{}", line.as_ref());
}

/// Prints a table in Markdown.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    say(format!("| {} |", head.join(" | ")));
    say(format!("|{}", "---|".repeat(head.len())));
    for row in rows {
        say(format!("| {} |", row.join(" | ")));
    }
}

/// Returns the median; 0 of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(values, 50.0)
}

/// Returns the smallest value that `percent` of the values do not exceed; 0 of nothing.
pub fn percentile(values: impl IntoIterator<Item = f64>, percent: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * percent / 100.0).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(percentile((1..=100).map(f64::from), 99.0), 99.0);
        assert_eq!(percentile([7.0], 1.0), 7.0);
        assert_eq!(median([]), 0.0);
    }
}
