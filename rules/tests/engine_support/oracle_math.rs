//! The oracle's arithmetic: over label sets and windows, written apart from the engine's.
use super::{
    oracle::{Labels, Vector},
    place,
};
use ioc_rules::lang::ast::{AggregateOp, BinaryOp, ClockFunction, Expr, Matching, RangeFunction};

pub(crate) fn map(vector: Vector, function: impl Fn(f64) -> f64) -> Vector {
    vector.into_iter().map(|(labels, value)| (labels, value.map(&function))).collect()
}

pub(crate) fn filter(vector: Vector, function: impl Fn(f64) -> Option<f64>) -> Vector {
    let kept = vector.into_iter().filter_map(|(labels, value)| match value {
        Some(value) => function(value).map(|value| (labels, Some(value))),
        None => Some((labels, None)),
    });
    kept.collect()
}

pub(crate) fn absent(expr: &Expr, operand: &Vector) -> Vector {
    if operand.values().any(Option::is_some) {
        return Vector::new();
    }
    let labels =
        expr.node.absent_labels().into_iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Vector::from([(Labels::new(labels.collect()), Some(1.0))])
}

pub(crate) fn fold(op: AggregateOp, values: &[Option<f64>]) -> Option<f64> {
    let numbers: Vec<f64> = values.iter().filter_map(|value| *value).collect();
    let sum: f64 = numbers.iter().sum();
    let best = |better: fn(f64, f64) -> f64| numbers.iter().copied().reduce(better);
    match op {
        _ if numbers.is_empty() => None,
        AggregateOp::Sum => Some(sum),
        AggregateOp::Avg => Some(sum / numbers.len() as f64),
        AggregateOp::Count => Some(numbers.len() as f64),
        AggregateOp::Min => best(f64::min),
        AggregateOp::Max => best(f64::max),
    }
}

pub(crate) fn pair(
    op: BinaryOp,
    returns_bool: bool,
    matching: Matching,
    left: &Vector,
    right: &Vector,
) -> Vector {
    let mut result = Vector::new();
    let partner = |of: &Vector, labels: &Labels| match matching {
        Matching::SameLabels => of.get(labels).copied(),
        Matching::Anything if of.values().any(Option::is_some) => of.values().copied().find(Option::is_some),
        Matching::Anything => of.values().next().copied(),
    };
    for (labels, value) in left {
        let other = partner(right, labels);
        let combined = match (op, *value, other) {
            (BinaryOp::Unless, _, Some(Some(_))) => None,
            (BinaryOp::Unless | BinaryOp::Or, value, _) => Some(value),
            (_, _, None) => None,
            (BinaryOp::And, value, Some(Some(_))) => Some(value),
            (_, Some(left), Some(Some(right))) => number(op, returns_bool, left, right, left).map(Some),
            _ => Some(None),
        };
        combined.map(|value| result.insert(labels.clone(), value));
    }
    if op == BinaryOp::Or {
        for (labels, value) in right {
            let known = result.get(labels).copied();
            match (partner(left, labels), known) {
                (Some(Some(_)), _) => {}
                (_, Some(None)) if value.is_none() => {}
                _ => _ = result.insert(labels.clone(), *value),
            }
        }
    }
    result
}

pub(crate) fn number(op: BinaryOp, returns_bool: bool, left: f64, right: f64, kept: f64) -> Option<f64> {
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
        _ => unreachable!(),
    };
    if returns_bool { Some(if holds { 1.0 } else { 0.0 }) } else { holds.then_some(kept) }
}

pub(crate) fn clock(function: ClockFunction, at: i64) -> f64 {
    let instant = jiff::Timestamp::from_millisecond(at).unwrap();
    let zone = match function {
        ClockFunction::Hour | ClockFunction::DayOfWeek => jiff::tz::TimeZone::UTC,
        _ => place().time_zone,
    };
    let there = instant.to_zoned(zone);
    match function {
        ClockFunction::Hour | ClockFunction::LocalHour => f64::from(there.hour()),
        _ => f64::from(there.weekday().to_sunday_zero_offset()),
    }
}

pub(crate) fn over(function: RangeFunction, window: &[(i64, f64)], at: i64, window_ms: i64) -> Option<f64> {
    let values = || window.iter().map(|(_, value)| *value);
    let count = window.len() as f64;
    let (first, last) = (*window.first()?, *window.last()?);
    Some(match function {
        RangeFunction::AvgOverTime => values().sum::<f64>() / count,
        RangeFunction::MinOverTime => values().fold(f64::INFINITY, f64::min),
        RangeFunction::MaxOverTime => values().fold(f64::NEG_INFINITY, f64::max),
        RangeFunction::SumOverTime => values().sum(),
        RangeFunction::CountOverTime => count,
        RangeFunction::LastOverTime => last.1,
        _ if window.len() < 2 => return None,
        RangeFunction::Deriv => {
            let x = |ts: i64| (ts - first.0) as f64 / 1e3;
            let mean_x = window.iter().map(|(ts, _)| x(*ts)).sum::<f64>() / count;
            let mean_y = values().sum::<f64>() / count;
            let top: f64 = window.iter().map(|(ts, value)| (x(*ts) - mean_x) * (value - mean_y)).sum();
            let bottom: f64 = window.iter().map(|(ts, _)| (x(*ts) - mean_x).powi(2)).sum();
            top / bottom
        }
        RangeFunction::Rate | RangeFunction::Increase | RangeFunction::Delta => {
            let counter = function != RangeFunction::Delta;
            let mut grown = last.1 - first.1;
            if counter {
                grown += window.windows(2).filter(|two| two[1].1 < two[0].1).map(|two| two[0].1).sum::<f64>();
            }
            let sampled = (last.0 - first.0) as f64 / 1e3;
            let gap = sampled / (count - 1.0);
            let mut start = (first.0 - (at - window_ms)) as f64 / 1e3;
            let mut end = (at - last.0) as f64 / 1e3;
            if start >= gap * 1.1 {
                start = gap / 2.0;
            }
            if end >= gap * 1.1 {
                end = gap / 2.0;
            }
            if counter && grown > 0.0 && first.1 >= 0.0 {
                start = start.min(sampled * first.1 / grown);
            }
            let total = grown * (sampled + start + end) / sampled;
            if function == RangeFunction::Rate { total / (window_ms as f64 / 1e3) } else { total }
        }
    })
}
