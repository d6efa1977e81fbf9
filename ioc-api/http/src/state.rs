//! What handlers work with.
use super::assets::Assets;
use crate::stream::{Feeds, RECORDS_PATIENCE, seats::Seats};
use axum::body::Bytes;
use ioc_identity::Identity;
use ioc_ingest::{DeviceClocks, LiveState, Registry};
use ioc_model::{Alert, AlertId, Catalogue};
use ioc_records::{LateWrites, Records};
use ioc_rules::Engine;
use ioc_services::alerting::AlertThread;

use ioc_services::{CityFiles, OwnClock, Ready, Services, rules::RuleStore};
use ioc_store::History;
use std::sync::Arc;

use super::{
    client::Trust,
    fair::Fair,
    headers::Door,
    problem::{Answer, Problem},
    turns,
};

/// Everything behind the API; cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// What can be done to devices, people and what is kept of them.
    pub services: Services,
    /// Identities, registry rows, projections, audit.
    pub records: Records,
    /// Audit entries that must not wait for the disk.
    pub late: Arc<LateWrites>,
    /// Who is signed in, and what they may do.
    pub identity: Arc<Identity>,
    /// Devices.
    pub registry: Registry,
    /// Last values.
    pub live: Arc<LiveState>,
    /// How far the clocks of devices are off.
    pub clocks: Arc<DeviceClocks>,
    /// Whether our own clock can be believed.
    pub own_clock: Arc<OwnClock>,
    /// The typed queries of history.
    pub history: Arc<dyn History>,
    /// Operators' actions.
    pub alerts: Arc<AlertThread>,
    /// The live stream.
    pub feeds: Arc<Feeds>,
    /// Rules in force.
    pub rules: Arc<RuleStore>,
    /// The running rules.
    pub engine: Arc<Engine>,
    /// Properties and kinds.
    pub catalogue: Arc<Catalogue>,
    /// The city as shown.
    pub city: Arc<CityFiles>,
    /// Its areas, as GeoJSON.
    pub areas: Bytes,
    /// Indicators.
    pub kpis: Arc<ioc_services::indicators::KpiService>,
    /// Replay is done.
    pub ready: Ready,
    /// What is wrong with what must go on, for readiness.
    pub troubles: Troubles,
    /// The front end.
    pub assets: Arc<Assets>,
    /// Writes the metrics page.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Who may follow the live stream.
    pub seats: Seats,
    /// What is believed of a request's way here.
    pub trust: Trust,
    /// What callers share.
    pub fair: Fair,
    /// The metrics page is served without a sign-in.
    pub metrics_open: bool,
    /// What is asked of browsers.
    pub door: Door,
}

/// What is wrong with what must go on; each is asked at once and answers without waiting.
#[derive(Clone)]
pub struct Troubles {
    /// Names a follower of the journal that has failed.
    pub failed_follower: Arc<dyn Fn() -> Option<&'static str> + Send + Sync>,
    /// Returns since when the journal takes nothing, in milliseconds since the epoch.
    pub journal_full_since_ms: Arc<dyn Fn() -> Option<i64> + Send + Sync>,
}

impl ApiState {
    /// Returns the records when they have every alert that anybody was told of, or after a second as they are. Blocks.
    pub fn alert_records(&self) -> &Records {
        self.feeds.hub.await_records(RECORDS_PATIENCE);
        &self.records
    }

    /// Finds an alert; an open one also while the records cannot be written. Blocks.
    ///
    /// Errors: 404, or the records cannot be read.
    pub fn alert(&self, id: AlertId) -> Answer<Alert> {
        let recorded = self.alert_records().alert(id)?;
        let found = recorded.or_else(|| self.feeds.hub.open_alert(id));
        found.ok_or_else(|| Problem::not_found("no alert has this id"))
    }

    /// Runs something that blocks (a query, the records) off the async threads.
    ///
    /// Errors: those of `work`; 500 when it panicked.
    pub async fn blocking<T, E>(&self, work: impl FnOnce(&Self) -> Result<T, E> + Send + 'static) -> Answer<T>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let state = self.clone();
        // Work goes on when its request is gone, and counts until it ends.
        let turn = turns::current();
        match tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&state)
        })
        .await
        {
            Ok(result) => result.map_err(Into::into),
            Err(panic) => Err(Problem::internal(panic)),
        }
    }
}
