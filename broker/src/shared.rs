//! What all reactors share.
use crate::{
    Access, BrokerMeters, CloseReason, Limits, PublishSink, RefuseReason,
    admission::Admission,
    backlog::Budget,
    fanout::{Fanout, Table},
    log_limiter::{LogLimiter, LogLimiters},
    login_throttle::LoginThrottle,
    session::Sessions,
};
use ioc_model::share::Rate;
use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

/// One per broker.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) sign_ins: Rate,
    /// Bytes that connections have received and not handled.
    pub(crate) read_ahead: Arc<Budget>,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) sink: Arc<dyn PublishSink>,
    pub(crate) meters: Arc<BrokerMeters>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) login_throttle: LoginThrottle,
    pub(crate) sessions: Sessions,
    pub(crate) fanout: Arc<dyn Fanout>,
    pub(crate) log_limiters: EdgeLogLimiters,
    /// Whether clients are let in; before that they are told to come later.
    pub(crate) is_open: AtomicBool,
    started: Instant,
}

/// Rate limits of log lines that a client can cause.
pub(crate) struct EdgeLogLimiters {
    pub(crate) accept: LogLimiter,
    /// One for each reason, so that a flood of one hides no other.
    pub(crate) refused: [LogLimiters; RefuseReason::ALL.len()],
    pub(crate) closed: [LogLimiters; CloseReason::ALL.len()],
    pub(crate) foreign: LogLimiters,
}

impl Shared {
    pub(crate) fn new(limits: Limits, access: Arc<dyn Access>, sink: Arc<dyn PublishSink>) -> Self {
        let meters = Arc::new(BrokerMeters::default());
        Self {
            sign_ins: Rate::new(limits.sign_ins_per_second, limits.sign_in_burst),
            read_ahead: Arc::new(Budget::new(limits.read_ahead_total_bytes)),
            admission: Arc::new(Admission::new(&limits)),
            login_throttle: LoginThrottle::default(),
            sessions: Sessions::new(limits.clone(), Arc::clone(&sink), Arc::clone(&meters)),
            fanout: Arc::new(Table::new(limits.retained_max, Arc::clone(&meters))),
            log_limiters: EdgeLogLimiters {
                accept: LogLimiter::new(),
                refused: std::array::from_fn(|_| LogLimiters::default()),
                closed: std::array::from_fn(|_| LogLimiters::default()),
                foreign: LogLimiters::default(),
            },
            is_open: AtomicBool::new(false),
            started: Instant::now(),
            limits,
            access,
            sink,
            meters,
        }
    }

    /// Nanoseconds since the broker started; monotonic.
    pub(crate) fn now_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }
}
