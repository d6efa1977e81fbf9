//! Which known name a misspelt one was meant to be.

/// Longest name that is compared with others, in bytes without underscores.
const COMPARED_MAX: usize = 40;

/// What is compared of a name: no underscores, no case.
pub(super) fn letters(name: &str) -> Vec<u8> {
    name.bytes()
        .filter(|byte| *byte != b'_')
        .take(COMPARED_MAX)
        .map(|byte| byte.to_ascii_lowercase())
        .collect()
}

/// Edits between two names (Levenshtein).
pub(super) fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: [usize; COMPARED_MAX + 1] = std::array::from_fn(|n| n);
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn distances_are_those_of_names(a in "[a-c]{0,8}", b in "[a-c]{0,8}") {
            let found = distance(a.as_bytes(), b.as_bytes());
            prop_assert_eq!(found == 0, a == b);
            prop_assert_eq!(found, distance(b.as_bytes(), a.as_bytes()));
            prop_assert!(found >= a.len().abs_diff(b.len()) && found <= a.len().max(b.len()));
        }
    }

    #[test]
    fn long_names_are_compared_by_their_beginning() {
        assert_eq!(letters(&"PM_2.5".repeat(90)).len(), COMPARED_MAX);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }
}
