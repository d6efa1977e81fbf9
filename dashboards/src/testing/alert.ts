/** Alerts for tests: everything that a test does not name is a plain firing alert. */
import type { Alert } from "../api/schema.ts";

export function alertLike(given: Partial<Alert>): Alert {
  return {
    id: "01",
    fingerprint: "00",
    rule: "rule",
    severity: "medium",
    state: "firing",
    domain: "environment",
    device: null,
    ward: null,
    labels: {},
    value: null,
    summary: { vi: "", en: "" },
    event_time: 0,
    arrival_time: 0,
    decision_time: 0,
    active_since: 0,
    firing_since: 0,
    cleared_at: null,
    acknowledged_by: null,
    acknowledged_at: null,
    resolved_by: null,
    resolved_at: null,
    notes: [],
    no_data: false,
    evidence: {
      rule_hash: "",
      expr: "",
      samples: [],
      parts: [],
      hops: { event: 0, arrival: 0, committed: 0, decided: 0 },
    },
    ...given,
  };
}
