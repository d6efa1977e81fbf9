/** Calls of the HTTP API: one function a resource, problems as exceptions that can be shown to people. */
import { serverClock } from "../live/clock.ts";
import type {
  Alert,
  AlertDetail,
  Areas,
  AuditRow,
  BucketPoint,
  Catalogue,
  City,
  ClockState,
  Device,
  Domain,
  History,
  Kpi,
  Latest,
  Page,
  Problem,
  QuarantineRow,
  RuleList,
  Session,
} from "./types.ts";

const BASE = "/api/v1";

/** A refusal or failure of the server, as RFC 9457 tells it; `status` 0 when it could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.detail ?? problem.title);
    this.name = "ApiError";
  }
}

export type Query = Record<string, string | number | undefined | null>;

export interface DeviceFilter {
  domain?: Domain | "";
  ward?: string;
  kind?: string;
  status?: string;
  q?: string;
  limit?: number;
  cursor?: string | null;
}

export interface HistoryRange {
  device: string;
  property: string;
  from: number;
  to: number;
  buckets: number;
}

/** How often a question is asked again that the server was too busy for. */
const RETRIES = 3;
/** Longest pause between two tries; who must wait longer is told. */
const PAUSE_MAX_MS = 10_000;

/** Returns how long to wait when the server was too busy for a question, or null when waiting would not help. */
export function pauseMs(status: number, retryAfter: string | null, random: number): number | null {
  if (status !== 429 && status !== 503) return null;
  const seconds = Number(retryAfter ?? Number.NaN);
  if (!Number.isFinite(seconds) || seconds < 0 || seconds * 1000 > PAUSE_MAX_MS) return null;
  // Many screens start at the same time after a power cut: they must not come back at the same time, too.
  return Math.max(seconds, 1) * 1000 * (0.5 + random);
}

type Method = "GET" | "POST" | "PATCH" | "DELETE";

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "title" in body) return body as Problem;
  } catch {
    // A proxy's page, or nothing: the status line is what there is.
  }
  return {
    type: "about:blank",
    title: response.statusText || `HTTP ${response.status}`,
    status: response.status,
  };
}

function pathWith(path: string, query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  return BASE + path + (text ? `?${text}` : "");
}

const part = encodeURIComponent;

export class ApiClient {
  /**
   * @param token display token of a wall; a console relies on its cookie
   * @param onUnauthorized asked when the session is gone; resolves to true when the call should be made again
   */
  constructor(
    private readonly token: () => string | null = () => null,
    private readonly onUnauthorized: () => Promise<boolean> = async () => false,
  ) {}

  session = (): Promise<Session> => this.call("GET", "/session", {}, undefined, false);
  signIn = (username: string, password: string): Promise<Session> =>
    this.call("POST", "/session", {}, { username, password }, false);
  /** Changes one's own password; a wrong current one is a 403, so that it is not taken for an ended session. */
  changePassword = (name: string, current: string, password: string): Promise<void> =>
    this.call("PATCH", `/users/${part(name)}`, {}, { current_password: current, password });
  signOut = (): Promise<void> => this.call("DELETE", "/session", {}, undefined, false);

  city = (): Promise<City> => this.call("GET", "/city");
  clock = (): Promise<ClockState> => this.call("GET", "/clock");
  areas = (): Promise<Areas> => this.call("GET", "/areas");
  kpis = async (): Promise<Kpi[]> => (await this.call<{ items: Kpi[] }>("GET", "/kpis")).items;
  catalogue = (): Promise<Catalogue> => this.call("GET", "/catalogue");

  alerts = (query: Query): Promise<Page<Alert>> => this.call("GET", "/alerts", query);
  alert = (id: string): Promise<AlertDetail> => this.call("GET", `/alerts/${part(id)}`);
  acknowledge = (id: string): Promise<Alert> => this.call("POST", `/alerts/${part(id)}/ack`, {}, {});
  resolve = (id: string, note: string): Promise<Alert> =>
    this.call("POST", `/alerts/${part(id)}/resolve`, {}, note ? { note } : {});
  note = (id: string, text: string): Promise<Alert> =>
    this.call("POST", `/alerts/${part(id)}/note`, {}, { text });

  devices = (filter: DeviceFilter): Promise<Page<Device>> => this.call("GET", "/devices", { ...filter });
  device = (id: string): Promise<Device> => this.call("GET", `/devices/${part(id)}`);
  latest = (id: string): Promise<Latest> => this.call("GET", `/devices/${part(id)}/latest`);
  history = (range: HistoryRange): Promise<History<BucketPoint>> =>
    this.call("GET", "/history", { ...range });

  rules = (): Promise<RuleList> => this.call("GET", "/rules");
  quarantine = (cursor?: string | null): Promise<Page<QuarantineRow>> =>
    this.call("GET", "/quarantine", { cursor });
  audit = (cursor?: string | null): Promise<Page<AuditRow>> => this.call("GET", "/audit", { cursor });

  private pause(response: Response): number | null {
    return pauseMs(response.status, response.headers.get("retry-after"), Math.random());
  }

  private async call<T>(
    method: Method,
    path: string,
    query: Query = {},
    body?: unknown,
    again = true,
    tries = RETRIES,
  ): Promise<T> {
    const headers = new Headers({ accept: "application/json" });
    const token = this.token();
    if (token) headers.set("authorization", `Bearer ${token}`);
    if (body !== undefined) headers.set("content-type", "application/json");
    let response: Response;
    try {
      response = await fetch(pathWith(path, query), {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "same-origin",
      });
    } catch {
      throw new ApiError(0, { type: "about:blank", title: "network", status: 0 });
    }
    serverClock.heardDate(response.headers.get("date"));
    if (response.status === 401 && again && (await this.onUnauthorized())) {
      return this.call(method, path, query, body, false);
    }
    // Changes are never repeated by themselves.
    const pause = method === "GET" && tries > 0 ? this.pause(response) : null;
    if (pause !== null) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      return this.call(method, path, query, body, again, tries - 1);
    }
    if (!response.ok) throw new ApiError(response.status, await problemOf(response));
    return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
  }
}

/** Address of the live stream on this host, with the display token if there is one. */
export function streamUrl(token: string | null): string {
  const url = new URL(`${BASE}/stream`, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  url.search = token ? `?token=${encodeURIComponent(token)}` : "";
  return url.href;
}
