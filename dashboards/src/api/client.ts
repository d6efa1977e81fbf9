/** Calls of the HTTP API, typed by its OpenAPI document; refusals are exceptions that can be shown to people. */
import { createContext } from "svelte";
import type { ServerClock } from "./clock.ts";
import type { ProblemBody, paths } from "./schema.ts";

/** A refusal or failure of the server, as RFC 9457 tells it; `status` 0 when it could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Partial<ProblemBody>,
  ) {
    super(problem.detail ?? problem.title);
    this.name = "ApiError";
  }
}

type Method = "get" | "post" | "patch" | "delete";
/** Paths of the document that have a method. */
type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends { responses: object } ? P : never;
}[keyof paths];

/** Filters that are empty are left out of the address. */
type Loose<Q> = { [K in keyof Q]: Q[K] | "" | null };
type JsonOf<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type PathParams<O> = O extends { parameters: { path: infer P } } ? { path: P } : unknown;
type QueryParams<O> = O extends { parameters: { query: infer Q } }
  ? { query: Q }
  : O extends { parameters: { query?: infer Q } }
    ? { query?: Loose<Q> }
    : unknown;
type BodyOf<O> = O extends { requestBody: infer B } ? { body: JsonOf<B> } : { body?: unknown };
type RequestOf<O> = PathParams<O> & QueryParams<O> & BodyOf<O>;
type ArgsOf<O> =
  Record<never, never> extends RequestOf<O> ? [request?: RequestOf<O>] : [request: RequestOf<O>];
type Success<O> = O extends { responses: infer R } ? R[keyof R & (200 | 201 | 204)] : never;
/** What the server answers when all is well. */
export type AnswerOf<M extends Method, P extends PathOf<M>> = JsonOf<Success<paths[P][M]>>;

interface Request {
  path?: Record<string, string>;
  query?: Record<string, unknown>;
  body?: unknown;
}

/** How often a question is asked again that the server was too busy for. */
const RETRIES = 3;
/** Longest pause between two tries; who must wait longer is told. */
const PAUSE_MAX_MS = 10_000;
/** Who asks here finds out whether there is a session: a 401 is the answer. */
const SESSION_PATH = "/api/v1/session";

/** Returns how long to wait when the server was too busy for a question, or null when waiting would not help. */
export function pauseMs(status: number, retryAfter: string | null, random: number): number | null {
  if (status !== 429 && status !== 503) return null;
  const seconds = Number(retryAfter ?? Number.NaN);
  if (!Number.isFinite(seconds) || seconds < 0 || seconds * 1000 > PAUSE_MAX_MS) return null;
  // Many screens start at the same time after a power cut: they must not come back at the same time, too.
  return Math.max(seconds, 1) * 1000 * (0.5 + random);
}

async function problemOf(response: Response): Promise<Partial<ProblemBody>> {
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "title" in body) return body as Partial<ProblemBody>;
  } catch {
    // A proxy's page, or nothing: the status line is what there is.
  }
  return { title: response.statusText || `HTTP ${response.status}`, status: response.status };
}

function addressOf(path: string, { path: params = {}, query = {} }: Request): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  return search.size > 0 ? `${filled}?${search}` : filled;
}

export interface ApiOptions {
  /** Display token of a wall; a console relies on its cookie. */
  token?: string | null;
  /** Asked when the session is gone; resolves to true when the call should be made again. */
  onUnauthorized?: () => Promise<boolean>;
  /** Told the server's time by each answer. */
  clock?: ServerClock;
}

export class ApiClient {
  constructor(private readonly options: ApiOptions = {}) {}

  get<P extends PathOf<"get">>(path: P, ...[request]: ArgsOf<paths[P]["get"]>): Promise<AnswerOf<"get", P>> {
    return this.call("GET", path, request ?? {});
  }

  post<P extends PathOf<"post">>(
    path: P,
    ...[request]: ArgsOf<paths[P]["post"]>
  ): Promise<AnswerOf<"post", P>> {
    return this.call("POST", path, request ?? {});
  }

  patch<P extends PathOf<"patch">>(
    path: P,
    ...[request]: ArgsOf<paths[P]["patch"]>
  ): Promise<AnswerOf<"patch", P>> {
    return this.call("PATCH", path, request ?? {});
  }

  delete<P extends PathOf<"delete">>(
    path: P,
    ...[request]: ArgsOf<paths[P]["delete"]>
  ): Promise<AnswerOf<"delete", P>> {
    return this.call("DELETE", path, request ?? {});
  }

  private async send(method: string, path: string, request: Request): Promise<Response> {
    const headers = new Headers({ accept: "application/json" });
    if (this.options.token) headers.set("authorization", `Bearer ${this.options.token}`);
    if (request.body !== undefined) headers.set("content-type", "application/json");
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    try {
      return await fetch(addressOf(path, request), { method, headers, body, credentials: "same-origin" });
    } catch {
      throw new ApiError(0, { title: "network" });
    }
  }

  private async call<T>(
    method: string,
    path: string,
    request: Request,
    again = true,
    tries = RETRIES,
  ): Promise<T> {
    const response = await this.send(method, path, request);
    const { clock, onUnauthorized } = this.options;
    clock?.heardDate(response.headers.get("date"));
    if (response.status === 401 && again && path !== SESSION_PATH && (await onUnauthorized?.())) {
      return this.call(method, path, request, false);
    }
    // Changes are never repeated by themselves.
    const mayRepeat = method === "GET" && tries > 0;
    const pause = mayRepeat
      ? pauseMs(response.status, response.headers.get("retry-after"), Math.random())
      : null;
    if (pause !== null) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      return this.call(method, path, request, again, tries - 1);
    }
    if (!response.ok) throw new ApiError(response.status, await problemOf(response));
    return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
  }
}

/** Address of the live stream on this host, with the display token if there is one. */
export function streamUrl(token: string | null): string {
  const url = new URL("/api/v1/stream", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (token) url.searchParams.set("token", token);
  return url.href;
}

export const [useApi, provideApi] = createContext<ApiClient>();
