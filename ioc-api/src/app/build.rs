//! Builds the parts that everything else is made of, and joins them.
use super::{Addresses, Mode, StartError, recover::memory::Memory, settings, web::Web};
use crate::{
    admin::open_foundation,
    clock::now_ms,
    config::Config,
    dashboards,
    data_dir::DataDir,
    edge_access::EdgeAccess,
    followers::{self, rules::RegistryChanged},
    ingress::Ingress,
    metrics,
    tls::Certificate,
};
use ioc_broker::Broker;
use ioc_http::{
    state::{ApiState, Troubles},
    stream::Feeds,
};
use ioc_ingest::Decoder;
use ioc_journal::{Health, Offset, SharedLog};
use ioc_rules::Feeder;
use ioc_services::{
    Foundation, Services,
    start_progress::{Phase, StartProgress},
};
use ioc_store::SharedHistory;
use metrics_exporter_prometheus::PrometheusHandle;
use std::{sync::Arc, thread::JoinHandle};

/// The parts that everything else is made of.
pub(super) struct Center {
    pub(super) config: Config,
    pub(super) foundation: Foundation,
    pub(super) journal: SharedLog,
    /// The newest record of the processes before this one.
    pub(super) last: Offset,
    pub(super) store: SharedHistory,
    pub(super) memory: Memory,
    pub(super) ingress: Arc<Ingress>,
    pub(super) broker: Arc<Broker>,
    /// The certificate of MQTT over TLS, if that is on.
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) changed: RegistryChanged,
}

/// What runs until the stop.
pub(super) struct Threads {
    pub(super) followers: Vec<followers::Running>,
    /// Everyone else.
    pub(super) others: Vec<JoinHandle<()>>,
}

impl Center {
    /// Opens what is on disk and brings memory up to date with it. Devices are told to come later meanwhile.
    pub(super) fn open(
        config: Config,
        mode: Mode,
        data: &DataDir,
        progress: &StartProgress,
    ) -> Result<(Self, Feeder), StartError> {
        let foundation = open_foundation(data, &config, now_ms())?;
        let (journal, opened) = ioc_journal::open(settings::journal_config(&config, data))?;
        let decoder =
            Arc::new(Decoder::new(Arc::clone(&foundation.catalogue), settings::decode_limits(&config)));
        let (registry, grants) = (foundation.registry.clone(), Arc::clone(&foundation.grants));
        let ingress = Arc::new(Ingress::new(registry, grants, Arc::clone(&decoder), journal.clone()));
        let certificate = settings::mqtts_certificate(&config, data, mode)?;
        let broker = Arc::new(Broker::start_closed(
            settings::broker_config(&config, certificate.as_ref(), mode)?,
            Arc::new(EdgeAccess(Arc::clone(&foundation.grants))),
            Arc::clone(&ingress) as _,
        )?);
        progress.enter(Phase::History);
        let store = ioc_store::open(settings::store_config(&config, data))?;
        let waiting = store.clone();
        progress.on_interrupt(move || waiting.shutdown());
        let (memory, feeder) =
            Memory::restore(&config, &foundation, &journal, &store, opened, decoder, progress)?;
        let hub = Arc::clone(&memory.hub);
        journal.on_progress(Box::new(move |durable| hub.committed(durable)));
        let (last, changed) = (opened.last, RegistryChanged::default());
        let center =
            Self { config, foundation, journal, last, store, memory, ingress, broker, certificate, changed };
        Ok((center, feeder))
    }

    /// Builds what people can do. Rules hear of it when devices change, and so does who counts connections.
    pub(super) fn services(&self) -> Services {
        let (changed, ingress) = (self.changed.clone(), Arc::clone(&self.ingress));
        let tell = move || {
            changed.tell();
            ingress.relist();
        };
        Services::build(self.foundation.clone(), tell)
    }

    /// What requests are answered from.
    pub(super) fn api(
        &self,
        services: Services,
        recorder: PrometheusHandle,
        threads: &Threads,
        feeds: Arc<Feeds>,
        web: &Web,
    ) -> ApiState {
        let Self { foundation, memory, config, .. } = self;
        let followers: Arc<[_]> =
            threads.followers.iter().map(|running| (running.name, running.progress.clone())).collect();
        let sources = metrics::Sources {
            ledger: Arc::clone(&memory.ledger),
            broker: Arc::clone(&self.broker),
            journal: self.journal.clone(),
            history: self.store.clone(),
            engine: Arc::clone(&memory.engine),
            rules: Arc::clone(&memory.rules),
            feeds: Arc::clone(&feeds),
            registry: foundation.registry.clone(),
            followers: Arc::clone(&followers),
            own_clock: Arc::clone(&memory.own_clock),
            listener: web.listener.clone(),
            https: web.certificate.clone(),
            mqtts: self.certificate.clone(),
        };
        ApiState {
            services,
            records: Arc::clone(&foundation.records),
            late: Arc::clone(&foundation.late),
            identity: Arc::clone(&foundation.identity),
            registry: foundation.registry.clone(),
            live: Arc::clone(&memory.live),
            clocks: Arc::clone(memory.decoder.clocks()),
            own_clock: Arc::clone(&memory.own_clock),
            history: self.store.clone(),
            alerts: Arc::clone(&memory.alerts),
            feeds,
            rules: Arc::clone(&memory.rules),
            engine: Arc::clone(&memory.engine),
            catalogue: Arc::clone(&foundation.catalogue),
            city: Arc::clone(&foundation.city),
            areas: foundation.city.areas.clone().into(),
            kpis: Arc::clone(&memory.kpis),
            ready: memory.ready.clone(),
            troubles: troubles(followers, self.journal.clone()),
            assets: Arc::new(dashboards::assets()),
            metrics: metrics::page(recorder, sources),
            seats: web.seats.clone(),
            trust: web.trust.clone(),
            fair: web.fair.clone(),
            metrics_open: config.http.metrics.open,
            door: web.door.clone(),
        }
    }

    pub(super) fn addresses(&self, web: &Web) -> Addresses {
        let mqtt = self.broker.addrs();
        let (http, https) = (web.addr(), web.https_addr());
        Addresses { http, https, mqtt: mqtt.tcp.clone(), mqtts: mqtt.tls.clone() }
    }
}

fn troubles(followers: Arc<[(&'static str, followers::Progress)]>, journal: SharedLog) -> Troubles {
    let failed = move || followers.iter().find(|(_, progress)| progress.has_failed()).map(|(name, _)| *name);
    let full = move || match journal.health() {
        Health::Ok => None,
        Health::OutOfSpace { since_ms } => Some(since_ms),
    };
    Troubles { failed_follower: Arc::new(failed), journal_full_since_ms: Arc::new(full) }
}
