/**
 * Shapes of the HTTP API and of the live stream, as the server's contract names them.
 * All times are integer milliseconds since the epoch, UTC.
 */

export type Domain = "lighting" | "traffic" | "parking" | "environment";
export type Severity = "critical" | "high" | "medium" | "low";
export type Condition = "pending" | "firing" | "cleared";
export type Role = "viewer" | "operator" | "engineer" | "admin";

export type TransitionKind =
  | "pending"
  | "firing"
  | "acknowledged"
  | "assigned"
  | "shelved"
  | "escalated"
  | "cleared"
  | "resolved"
  | "noted";

/** The same text in both languages of the city. */
export interface Text {
  vi: string;
  en: string;
}

export interface Note {
  at: number;
  by: string;
  text: string;
}

export interface EvidenceSample {
  series: string;
  ts: number;
  value: number;
}

export interface EvidencePart {
  expr: string;
  value: number | null;
}

/** Times at which the deciding observation passed each station; 0 where it passed none. */
export interface Hops {
  event: number;
  arrival: number;
  committed: number;
  decided: number;
}

export interface Evidence {
  rule_hash: string;
  expr: string;
  samples: EvidenceSample[];
  parts: EvidencePart[];
  hops: Hops;
}

/** One activation of one rule for one set of labels. */
export interface Alert {
  id: string;
  fingerprint: string;
  rule: string;
  severity: Severity;
  state: Condition;
  domain: Domain | null;
  device: string | null;
  ward: string | null;
  labels: Record<string, string>;
  value: number | null;
  summary: Text;
  event_time: number;
  arrival_time: number;
  decision_time: number;
  active_since: number;
  firing_since: number | null;
  cleared_at: number | null;
  acknowledged_by: string | null;
  acknowledged_at: number | null;
  resolved_by: string | null;
  resolved_at: number | null;
  notes: Note[];
  no_data: boolean;
  evidence: Evidence;
}

export interface AlertTransition {
  seq: number;
  transition: TransitionKind;
  at: number;
  by: string | null;
  note?: string | null;
}

export interface AlertDetail extends Alert {
  transitions: AlertTransition[];
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface User {
  name: string;
  role: Role;
}

export interface Session {
  user: User;
  expires_at: number | null;
  durable: boolean;
}

export interface TrendLimit {
  value: number;
  label: Text;
  severity: Severity | null;
}

export interface TrendSpec {
  device: string;
  property: string;
  title: Text;
  unit: string;
  hours: number;
  limits: TrendLimit[];
}

export interface City {
  code: string;
  name: Text;
  title: Text;
  center: [lon: number, lat: number];
  zoom: number;
  bounds: [west: number, south: number, east: number, north: number];
  time_zone: string;
  sketch: boolean;
  map: { type: string };
  trend: TrendSpec | null;
  build: string;
}

export type AreaLayer =
  | "ward"
  | "outline"
  | "river"
  | "lagoon"
  | "sea"
  | "citadel"
  | "bridge"
  | "road"
  | "railway";

export interface AreaProperties {
  layer: AreaLayer;
  code?: string | null;
  name?: string | null;
  name_en?: string | null;
  area_km2?: number | null;
  /** Where the name of a ward stands; else the middle of its shape. */
  center?: [lon: number, lat: number] | null;
  /** Of a river, metres. */
  width_m?: number | null;
}

export type Areas = GeoJSON.FeatureCollection<GeoJSON.Geometry, AreaProperties>;

export interface Device {
  id: string;
  index: number;
  domain: Domain;
  kind: string;
  lat: number;
  lon: number;
  ward: string | null;
  parent: { kind: string; id: string } | null;
  labels: Record<string, string>;
  /** Of its own connection; `null` when none is known of, as behind a gateway. */
  online: boolean | null;
  last_seen: number | null;
  /** How far its clock is behind the server's, ms; `null` when not measured yet. */
  clock_offset_ms: number | null;
  /** So far off that its readings raise no alerts. */
  clock_wrong: boolean;
  state: number;
  flags: number;
  reporting_period_s: number;
  retired: boolean;
}

export interface LatestValue {
  property: string;
  title: Text;
  unit: string;
  t: number;
  /** When it reached the server. */
  arrival?: number | null;
  value: number;
  quality: string[];
  /** Name of an enum's code, or a truth value. */
  name: string | null;
  /** What an enum's code means. */
  label: Text | null;
}

export interface Latest {
  device: string;
  items: LatestValue[];
}

export interface CatalogueProperty {
  id: number;
  name: string;
  unit: string;
  kind:
    | { type: "number"; min: number; max: number }
    | { type: "bool" }
    | { type: "enum"; codes: Record<string, number>; titles: Record<string, Text> };
  title: Text;
}

export interface CatalogueKind {
  name: string;
  domain: Domain;
  reporting_period_s: number;
  properties: string[];
  title: Text;
}

export interface Catalogue {
  properties: CatalogueProperty[];
  kinds: CatalogueKind[];
}

/** A bucket that holds something; empty ones are left out. */
export interface BucketPoint {
  t: number;
  min: number;
  max: number;
  mean: number;
  last: number;
  count: number;
}

export interface RawPoint {
  t: number;
  v: number;
}

export interface History<P> {
  property: string;
  unit: string;
  points: P[];
  /** Times at which readings are missing because files are damaged. */
  damaged: { from: number; to: number }[];
}

/** How far clocks can be believed. */
export interface ClockState {
  now: number;
  /** `null` when the server's system does not say. */
  synchronized: boolean | null;
  /** Of the server's clock, when most devices agree on another time. */
  ahead_ms: number | null;
  devices_agreeing: number;
  devices_measured: number;
  devices_wrong: number;
  jumps: number;
}

export interface Kpi {
  id: string;
  domain: Domain;
  title: Text;
  unit: string;
  /** `null` without fresh data. */
  value: number | null;
  /** Arrival of the newest observation behind it. */
  t: number | null;
  normal: [number, number];
  scale: [number, number];
  severity: Severity | null;
  decimals: number;
  /** The last ten minutes, oldest first. */
  history: (number | null)[];
}

export interface Rule {
  name: string;
  group: string;
  expr: string;
  for_s: number;
  severity: Severity;
  domain: Domain | null;
  summary: Text;
  file: string;
  line: number;
  health: "ok" | "error";
  last_error: string | null;
  firing: number;
  pending: number;
}

export interface RuleFileError {
  file: string;
  line: number;
  column: number;
  message: string;
  help: string | null;
}

export interface RuleList extends Page<Rule> {
  /** Why the files on disk are not in force, if they are not. */
  errors: RuleFileError[];
  /** When the rules in force were loaded. */
  loaded_at: number;
}

export interface Rejection {
  reason: string;
  detail: string;
}

/** One message that was rejected in whole or in part, with the first bytes of it. */
export interface QuarantineRow {
  seq: number;
  at: number;
  device: string | null;
  credential: string;
  topic: string;
  /** At least one. */
  items: Rejection[];
  /** As text; what is not UTF-8 is replaced. */
  payload: string;
  payload_hex: string;
  /** Bytes of the whole payload. */
  payload_len: number;
}

/** One change or sign-in, by whom. */
export interface AuditRow {
  id: number;
  at: number;
  actor: string;
  action: string;
  object: string;
  detail: string;
}

/** RFC 9457. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  request_id?: string;
}
