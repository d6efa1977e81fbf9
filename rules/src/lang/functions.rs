//! The functions, aggregations and words of PromQL: those we evaluate, and those we refuse by name.
use super::ast::{AggregateOp, CalendarFunction, ClockFunction, RangeFunction};

/// A function that we evaluate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Range(RangeFunction),
    Abs,
    Absent,
    AbsentOverTime,
    Clock(ClockFunction),
    /// Without argument a clock, with one the part of a date.
    Calendar(ClockFunction, CalendarFunction),
}

const FUNCTIONS: [(&str, Function); 19] = [
    ("avg_over_time", Function::Range(RangeFunction::AvgOverTime)),
    ("min_over_time", Function::Range(RangeFunction::MinOverTime)),
    ("max_over_time", Function::Range(RangeFunction::MaxOverTime)),
    ("sum_over_time", Function::Range(RangeFunction::SumOverTime)),
    ("count_over_time", Function::Range(RangeFunction::CountOverTime)),
    ("last_over_time", Function::Range(RangeFunction::LastOverTime)),
    ("rate", Function::Range(RangeFunction::Rate)),
    ("increase", Function::Range(RangeFunction::Increase)),
    ("delta", Function::Range(RangeFunction::Delta)),
    ("deriv", Function::Range(RangeFunction::Deriv)),
    ("abs", Function::Abs),
    ("absent", Function::Absent),
    ("absent_over_time", Function::AbsentOverTime),
    ("time", Function::Clock(ClockFunction::Time)),
    ("hour", Function::Calendar(ClockFunction::Hour, CalendarFunction::Hour)),
    ("day_of_week", Function::Calendar(ClockFunction::DayOfWeek, CalendarFunction::DayOfWeek)),
    ("local_hour", Function::Clock(ClockFunction::LocalHour)),
    ("local_day_of_week", Function::Clock(ClockFunction::LocalDayOfWeek)),
    ("sun_elevation", Function::Clock(ClockFunction::SunElevation)),
];

const AGGREGATIONS: [(&str, AggregateOp); 5] = [
    ("sum", AggregateOp::Sum),
    ("avg", AggregateOp::Avg),
    ("min", AggregateOp::Min),
    ("max", AggregateOp::Max),
    ("count", AggregateOp::Count),
];

/// Aggregations of Prometheus that we do not evaluate yet.
const REFUSED_AGGREGATIONS: [&str; 9] =
    ["group", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values", "limitk", "limit_ratio"];

/// Functions of Prometheus that we do not evaluate yet.
#[rustfmt::skip]
const REFUSED_FUNCTIONS: [&str; 69] = [
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "changes", "clamp", "clamp_max", "clamp_min",
    "cos", "cosh", "day_of_month", "day_of_year", "days_in_month", "deg", "double_exponential_smoothing", "exp",
    "first_over_time", "floor", "histogram_avg", "histogram_count", "histogram_fraction", "histogram_quantile",
    "histogram_quantiles", "histogram_stddev", "histogram_stdvar", "histogram_sum", "holt_winters", "idelta",
    "info", "irate", "label_join", "label_replace", "ln", "log10", "log2", "mad_over_time", "minute", "month",
    "pi", "predict_linear", "present_over_time", "quantile_over_time", "rad", "resets", "round", "scalar",
    "sgn", "sin", "sinh", "sort", "sort_by_label", "sort_by_label_desc", "sort_desc", "sqrt", "start",
    "end", "range", "step", "stddev_over_time", "stdvar_over_time", "tan", "tanh", "timestamp",
    "ts_of_max_over_time", "vector", "year",
];

/// What a word before `(` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Called {
    Function(Function),
    /// A function of Prometheus that we do not have.
    Refused,
    Unknown,
}

/// Looks a function up; names are case-sensitive.
pub(crate) fn called(name: &str) -> Called {
    if let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
        Called::Function(*function)
    } else if REFUSED_FUNCTIONS.contains(&name) {
        Called::Refused
    } else {
        Called::Unknown
    }
}

/// Looks an aggregation up; keywords ignore case.
pub(crate) fn aggregation(name: &str) -> Option<AggregateOp> {
    AGGREGATIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, op)| *op)
}

/// Reports whether Prometheus has an aggregation of this name that we refuse.
pub(crate) fn is_refused_aggregation(name: &str) -> bool {
    REFUSED_AGGREGATIONS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Returns every name that may be called.
pub(crate) fn callable() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, _)| *name).chain(AGGREGATIONS.iter().map(|(name, _)| *name))
}

macro_rules! names {
    ($($type:ident { $($variant:ident = $name:literal),* $(,)? })*) => {$(
        impl $type {
            /// Returns how it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    )*};
}

names! {
    RangeFunction {
        AvgOverTime = "avg_over_time", MinOverTime = "min_over_time", MaxOverTime = "max_over_time",
        SumOverTime = "sum_over_time", CountOverTime = "count_over_time", LastOverTime = "last_over_time",
        Rate = "rate", Increase = "increase", Delta = "delta", Deriv = "deriv",
    }
    ClockFunction {
        Time = "time", Hour = "hour", DayOfWeek = "day_of_week", LocalHour = "local_hour",
        LocalDayOfWeek = "local_day_of_week", SunElevation = "sun_elevation",
    }
    CalendarFunction { Hour = "hour", DayOfWeek = "day_of_week" }
    AggregateOp { Sum = "sum", Avg = "avg", Min = "min", Max = "max", Count = "count" }
}
