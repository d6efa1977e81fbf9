import { describe, expect, it } from "vitest";
import type { Alert, Severity } from "../api/schema.ts";
import { alertLike } from "../testing/alert.ts";
import { AlertBook, byBegin, byUrgency, countAlerts, lasted } from "./alerts.ts";

const make = (id: string, severity: Severity, at: number, more: Partial<Alert> = {}) =>
  alertLike({ id, severity, firing_since: at, ...more });

describe("lasted", () => {
  it("goes on while the alert is open and stands still when it has cleared or was closed", () => {
    expect(lasted(make("1", "low", 100), 400)).toBe(300);
    expect(lasted(make("1", "low", 100, { state: "cleared", cleared_at: 150 }), 400)).toBe(50);
    expect(lasted(make("1", "low", 100, { resolved_at: 130 }), 400)).toBe(30);
    expect(lasted(make("1", "low", 100, { state: "cleared", cleared_at: 150, resolved_at: 130 }), 400)).toBe(
      30,
    );
    // One that fires again is open, whatever it did before.
    expect(lasted(make("1", "low", 100, { cleared_at: 150 }), 400)).toBe(300);
  });
});

describe("byBegin", () => {
  it("has the newest first, whether open or closed", () => {
    const alerts = [make("1", "critical", 5), make("2", "low", 9, { resolved_at: 10 }), make("3", "low", 7)];
    expect(alerts.sort(byBegin).map(({ id }) => id)).toEqual(["2", "3", "1"]);
  });
});

describe("byUrgency", () => {
  it("sorts by priority, then unacknowledged, then newest", () => {
    const alerts = [
      make("old-low", "low", 1),
      make("held-critical", "critical", 9, { acknowledged_at: 9 }),
      make("new-high", "high", 5),
      make("old-high", "high", 2),
      make("critical", "critical", 3),
    ];
    expect(alerts.sort(byUrgency).map(({ id }) => id)).toEqual([
      "critical",
      "held-critical",
      "new-high",
      "old-high",
      "old-low",
    ]);
  });

  it("keeps equal alerts in a fixed order", () => {
    expect([make("b", "low", 1), make("a", "low", 1)].sort(byUrgency).map(({ id }) => id)).toEqual([
      "a",
      "b",
    ]);
  });
});

describe("AlertBook", () => {
  it("keeps what is firing and drops what cleared or was resolved", () => {
    const book = new AlertBook();
    book.reset([make("a", "high", 1), make("b", "low", 2), make("gone", "low", 3, { state: "cleared" })]);
    book.apply(make("a", "high", 1, { state: "cleared", cleared_at: 5 }));
    book.apply(make("b", "low", 2, { resolved_at: 6 }));
    book.apply(make("c", "medium", 4));
    book.apply(make("c", "medium", 4));
    book.apply(make("waiting", "high", 4, { state: "pending" }));
    expect(book.sorted().map(({ id }) => id)).toEqual(["c"]);
  });

  it("forgets everything at a snapshot", () => {
    const book = new AlertBook();
    book.apply(make("a", "high", 1));
    book.reset([]);
    expect(book.sorted()).toEqual([]);
  });
});

describe("countAlerts", () => {
  it("counts by priority and domain", () => {
    const alerts = [
      make("a", "critical", 1, { domain: "traffic" }),
      make("b", "low", 1, { domain: "parking", acknowledged_at: 2 }),
    ];
    expect(countAlerts(alerts)).toEqual({ byPriority: [1, 0, 0, 1], unacknowledged: 1, total: 2 });
    expect(countAlerts(alerts, "parking")).toEqual({ byPriority: [0, 0, 0, 1], unacknowledged: 0, total: 1 });
  });
});
