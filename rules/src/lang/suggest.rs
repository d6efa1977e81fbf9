//! "Did you mean": names near a misspelt one.

/// Longest name that is compared; edit distance is quadratic.
const NAME_LEN_MAX: usize = 64;
/// Most names suggested at once.
const SUGGESTIONS_MAX: usize = 3;

/// Returns the known name that `name` is surely a misspelling of.
pub(crate) fn misspelt<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let comparable = name.len() <= NAME_LEN_MAX;
    known
        .into_iter()
        .find(|candidate| comparable && distance(name, candidate) <= (candidate.len() / 4).min(2))
}

/// Returns the known names nearest to `name`, best first; none when nothing is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if name.len() > NAME_LEN_MAX {
        return Vec::new();
    }
    let limit = (name.len() / 3).max(1);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|candidate| {
            let distance = distance(name, candidate);
            let extends = name.len() >= 4 && (candidate.contains(name) || name.contains(candidate));
            (distance <= limit || (extends && candidate.len() >= 4)).then_some((distance, candidate))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    // When one is clearly meant, the others only distract.
    let clear = near.first().map_or(0, |best| best.0 + 1);
    near.into_iter()
        .take_while(|(distance, _)| *distance <= clear)
        .take(SUGGESTIONS_MAX)
        .map(|(_, name)| name)
        .collect()
}

/// Writes `did you mean "a" or "b"?`; `None` without names.
pub(crate) fn did_you_mean(names: &[&str]) -> Option<String> {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")))
}

/// Counts the insertions, deletions, replacements and swaps of neighbours between two names.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["avg_over_time", "max_over_time", "water_level", "water_level_rate", "pm25", "pm10"];
        assert_eq!(nearest("avg_overtime", known), ["avg_over_time"]);
        assert_eq!(nearest("waterlevel", known), ["water_level"]);
        assert_eq!(nearest("level", known), ["water_level", "water_level_rate"][..1].to_vec());
        assert_eq!(nearest("PM25", known), ["pm25"]);
        assert_eq!(nearest("co2_concentration_of_nowhere", known), Vec::<&str>::new());
        assert_eq!(distance("abcd", "abdc"), 1);
        assert_eq!(misspelt("claer", ["clear", "no_data"]), Some("clear"));
        assert_eq!(misspelt("nodata", ["clear", "no_data"]), Some("no_data"));
        assert_eq!(misspelt("summary", ["summary_vi", "clear"]), None);
    }
}
