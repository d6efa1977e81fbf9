//! What tests of several crates begin with.
use ioc_model::{Alert, AlertId, Condition, Evidence, Fingerprint, Severity};

/// Returns a firing alert to act on.
pub fn firing() -> Alert {
    Alert {
        id: AlertId::new(1_000, 7),
        fingerprint: Fingerprint(9),
        rule: "kim_long_bao_dong_3".into(),
        severity: Severity::Critical,
        state: Condition::Firing,
        domain: None,
        device: None,
        ward: None,
        labels: Default::default(),
        value: Some(3.6),
        summary: Default::default(),
        event_time: 1_000,
        arrival_time: 1_001,
        decision_time: 1_002,
        active_since: 1_000,
        firing_since: Some(1_002),
        cleared_at: None,
        acknowledged_by: None,
        acknowledged_at: None,
        resolved_by: None,
        resolved_at: None,
        notes: Vec::new(),
        no_data: false,
        evidence: Evidence::default(),
    }
}
