//! The city's indicators: those of the catalogue, measured once a second from the last values of every device.
mod measure;

use ioc_ingest::{LiveState, Registry};
use ioc_model::{
    Catalogue, Domain, Severity,
    alert::Text,
    catalogue::{Indicator, IndicatorDisplay},
};
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Values kept for the small curve, one per [`HISTORY_PERIOD_MS`].
const HISTORY_MAX: usize = 60;
/// Time between two kept values: the curve shows the last ten minutes.
const HISTORY_PERIOD_MS: i64 = 10_000;

/// The newest value of one indicator.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KpiValue {
    /// Id, as in `/kpis`.
    pub id: String,
    /// Its domain, as in `/kpis`.
    #[serde(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub domain: Domain,
    /// `null` without fresh data.
    #[cfg_attr(feature = "schema", schema(required))]
    pub value: Option<f64>,
    /// Set when it is outside its normal band.
    #[cfg_attr(feature = "schema", schema(required))]
    pub severity: Option<Severity>,
    /// When the newest observation behind it arrived, milliseconds since the epoch.
    #[cfg_attr(feature = "schema", schema(required))]
    pub t: Option<i64>,
}

/// An indicator with its newest values.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KpiDto {
    /// Stable name.
    pub id: String,
    /// Where it belongs.
    pub domain: Domain,
    /// What it is.
    pub title: Text,
    /// Unit as shown.
    pub unit: String,
    /// `null` without fresh data.
    #[cfg_attr(feature = "schema", schema(required))]
    pub value: Option<f64>,
    /// When the newest observation behind it arrived, milliseconds since the epoch.
    #[cfg_attr(feature = "schema", schema(required))]
    pub t: Option<i64>,
    /// Nobody is needed inside this band.
    #[cfg_attr(feature = "schema", schema(min_items = 2, max_items = 2))]
    pub normal: [f64; 2],
    /// Ends of the gauge.
    #[cfg_attr(feature = "schema", schema(min_items = 2, max_items = 2))]
    pub scale: [f64; 2],
    /// What the city aims at, within the gauge.
    #[cfg_attr(feature = "schema", schema(required))]
    pub target: Option<f64>,
    /// Set when the value is outside its normal band.
    #[cfg_attr(feature = "schema", schema(required))]
    pub severity: Option<Severity>,
    /// Digits behind the decimal point.
    pub decimals: u8,
    /// Values of the last ten minutes, oldest first.
    pub history: Vec<Option<f64>>,
}

/// Measures indicators and remembers a little.
pub struct KpiService {
    catalogue: Arc<Catalogue>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    values: Vec<KpiValue>,
    history: VecDeque<Vec<Option<f64>>>,
    /// By the monotonic clock.
    next_kept_ms: i64,
}

impl KpiService {
    /// Starts without values.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue, state: Mutex::default() }
    }

    /// Measures every indicator from the last values, by both clocks in milliseconds.
    pub fn measure(
        &self,
        registry: &Registry,
        live: &LiveState,
        wall_ms: i64,
        monotonic_ms: i64,
    ) -> Arc<[KpiValue]> {
        let values = measure::measure(self.catalogue.indicators(), &registry.devices(), live, wall_ms);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.values.clone_from(&values);
        if monotonic_ms >= state.next_kept_ms {
            state.next_kept_ms = monotonic_ms + HISTORY_PERIOD_MS;
            state.history.push_back(values.iter().map(|value| value.value).collect());
            if state.history.len() > HISTORY_MAX {
                state.history.pop_front();
            }
        }
        values.into()
    }

    /// Returns every indicator with what was measured last.
    pub fn list(&self) -> Vec<KpiDto> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let indicators = self.catalogue.indicators().iter().enumerate();
        indicators.map(|(slot, indicator)| state.dto(slot, indicator)).collect()
    }
}

impl State {
    fn dto(&self, slot: usize, indicator: &Indicator) -> KpiDto {
        let measured = self.values.get(slot);
        let IndicatorDisplay { title, unit, normal, scale, target, decimals, .. } = indicator.display.clone();
        KpiDto {
            id: indicator.id.clone(),
            domain: indicator.domain,
            title,
            unit,
            value: measured.and_then(|value| value.value),
            t: measured.and_then(|value| value.t),
            normal,
            scale,
            target,
            severity: measured.and_then(|value| value.severity),
            decimals,
            history: self.history.iter().map(|kept| kept.get(slot).copied().flatten()).collect(),
        }
    }
}
