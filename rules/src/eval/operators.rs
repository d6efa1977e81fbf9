//! Binary operators on numbers, by IEEE 754.
use crate::lang::ast::BinaryOp;

/// What an arithmetic or comparison operator makes of two numbers.
///
/// Comparisons yield 0 or 1 with `returns_bool`, else `kept` or nothing. Set operators are not for numbers and
/// yield nothing.
pub(crate) fn apply(op: BinaryOp, returns_bool: bool, left: f64, right: f64, kept: f64) -> Option<f64> {
    let holds = match op {
        BinaryOp::Add => return Some(left + right),
        BinaryOp::Subtract => return Some(left - right),
        BinaryOp::Multiply => return Some(left * right),
        BinaryOp::Divide => return Some(left / right),
        BinaryOp::Modulo => return Some(left % right),
        BinaryOp::Power => return Some(left.powf(right)),
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Less => left < right,
        BinaryOp::LessOrEqual => left <= right,
        BinaryOp::Greater => left > right,
        BinaryOp::GreaterOrEqual => left >= right,
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => return None,
    };
    if returns_bool { Some(f64::from(u8::from(holds))) } else { holds.then_some(kept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_filter_or_count() {
        assert_eq!(apply(BinaryOp::Greater, false, 3.0, 2.0, 3.0), Some(3.0));
        assert_eq!(apply(BinaryOp::Greater, false, 2.0, 2.0, 2.0), None);
        assert_eq!(apply(BinaryOp::Greater, true, 2.0, 2.0, 2.0), Some(0.0));
        assert_eq!(apply(BinaryOp::Less, false, 1.0, 5.0, 5.0), Some(5.0), "1 < vector keeps the vector's");
    }

    #[test]
    fn not_a_number_equals_nothing() {
        let nan = f64::NAN;
        assert_eq!(apply(BinaryOp::Equal, false, nan, nan, nan), None);
        assert!(apply(BinaryOp::NotEqual, false, nan, nan, nan).is_some_and(f64::is_nan));
        assert_eq!(apply(BinaryOp::GreaterOrEqual, true, nan, 0.0, nan), Some(0.0));
    }

    #[test]
    fn division_by_zero_is_infinite_or_not_a_number() {
        assert_eq!(apply(BinaryOp::Divide, false, 1.0, 0.0, 0.0), Some(f64::INFINITY));
        assert!(apply(BinaryOp::Divide, false, 0.0, 0.0, 0.0).is_some_and(f64::is_nan));
        assert_eq!(apply(BinaryOp::Modulo, false, -7.0, 3.0, 0.0), Some(-1.0));
        assert_eq!(apply(BinaryOp::Power, false, 2.0, -1.0, 0.0), Some(0.5));
    }
}
