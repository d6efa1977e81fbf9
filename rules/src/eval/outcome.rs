//! What an expression yields for one set of labels.

/// A value, nothing, or silence.
///
/// Prometheus knows only the first two; the third is what lets a firing alert be held when its gauge drowns.
/// Where an operand yields nothing whatever the silent one might have said, the result is nothing; else silence
/// of an operand that is needed is silence of the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    /// A sample.
    Value(f64),
    /// No sample, and that is known: filtered out, or no such series.
    Nothing,
    /// No sample because a series that once reported has none in its look-back or window.
    Silent,
}

impl Outcome {
    /// Returns the value, if there is one.
    pub(crate) fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Nothing | Self::Silent => None,
        }
    }

    /// Reports whether this is the same to the last bit.
    pub(crate) fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Value(value), Self::Value(other)) => value.to_bits() == other.to_bits(),
            _ => self == other,
        }
    }

    /// Applies a function to the value.
    pub(crate) fn map(self, function: impl FnOnce(f64) -> f64) -> Self {
        match self {
            Self::Value(value) => Self::Value(function(value)),
            other => other,
        }
    }

    /// Combines two outcomes of which both are needed.
    pub(crate) fn both(self, other: Self, combine: impl FnOnce(f64, f64) -> Option<f64>) -> Self {
        match (self, other) {
            (Self::Value(left), Self::Value(right)) => {
                combine(left, right).map_or(Self::Nothing, Self::Value)
            }
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            _ => Self::Silent,
        }
    }

    /// `and`: this one, if the other has a sample.
    pub(crate) fn and(self, other: Self) -> Self {
        self.both(other, |left, _| Some(left))
    }

    /// `or`: this one, else the other.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Value(_), _) => self,
            (_, Self::Value(_)) => other,
            (Self::Silent, _) | (_, Self::Silent) => Self::Silent,
            (Self::Nothing, Self::Nothing) => Self::Nothing,
        }
    }

    /// `unless`: this one, if the other has no sample; a silent one has none.
    pub(crate) fn unless(self, other: Self) -> Self {
        match other {
            Self::Value(_) => Self::Nothing,
            Self::Nothing | Self::Silent => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Nothing, Silent, Value};

    #[test]
    fn nothing_beats_silence_where_both_are_needed() {
        assert_eq!(Nothing.and(Silent), Nothing);
        assert_eq!(Silent.and(Nothing), Nothing);
        assert_eq!(Silent.and(Value(1.0)), Silent);
        assert_eq!(Value(2.0).and(Value(1.0)), Value(2.0));
    }

    #[test]
    fn a_silent_alternative_keeps_or_open() {
        assert_eq!(Nothing.or(Silent), Silent);
        assert_eq!(Silent.or(Value(1.0)), Value(1.0));
        assert_eq!(Nothing.or(Nothing), Nothing);
    }

    #[test]
    fn unless_takes_silence_for_absence() {
        assert_eq!(Value(1.0).unless(Silent), Value(1.0));
        assert_eq!(Value(1.0).unless(Value(0.0)), Nothing);
        assert_eq!(Silent.unless(Nothing), Silent);
    }
}
