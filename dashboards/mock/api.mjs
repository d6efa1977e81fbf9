/** The HTTP side of the contract over a `MockCity`, as one function of a request and a response. */
import { randomUUID } from "node:crypto";
import { CITY } from "./city.mjs";
import { ruleList } from "./incidents.mjs";
import { kpiList } from "./kpis.mjs";
import { catalogue, propertiesOf, propertyNamed, valueAt } from "./values.mjs";

const BASE = "/api/v1";
const BODY_MAX = 64 * 1024;
const USERS = {
  operator: { password: "hue", role: "operator" },
  admin: { password: "hue", role: "admin" },
  viewer: { password: "hue", role: "viewer" },
};
export const DISPLAY_TOKEN = "wall-token";
const SESSION_MS = 12 * 3_600_000;

class Refusal extends Error {
  constructor(status, title, detail, type = "about:blank") {
    super(detail);
    Object.assign(this, { status, title, detail, type });
  }
}

async function readBody(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
    if (text.length > BODY_MAX) throw new Refusal(413, "Payload too large", "the body is larger than 64 KiB");
  }
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, "Bad request", "the body is not JSON");
  }
}

export class MockApi {
  constructor(city) {
    this.city = city;
    this.sessions = new Map();
    this.startedAt = Date.now();
    this.routes = [
      ["GET", /^\/city$/, () => CITY],
      [
        "GET",
        /^\/clock$/,
        () => ({
          now: Date.now(),
          synchronized: true,
          ahead_ms: null,
          devices_agreeing: 0,
          devices_measured: city.devices.length,
          devices_wrong: 0,
          jumps: 0,
        }),
      ],
      ["GET", /^\/areas$/, () => city.areas],
      ["GET", /^\/kpis$/, () => ({ items: kpiList(Date.now(), city.flood), next: null })],
      ["GET", /^\/catalogue$/, () => catalogue(city.devices, kpiList(Date.now(), city.flood))],
      ["PATCH", /^\/users\/([^/]+)$/, (_q, [name], body) => this.changePassword(name, body)],
      ["GET", /^\/alerts$/, (q) => this.alerts(q)],
      ["GET", /^\/alerts\/([^/]+)$/, (_q, [id]) => this.alert(id)],
      [
        "POST",
        /^\/alerts\/([^/]+)\/(ack|resolve|note)$/,
        (_q, [id, action], body, user) => this.act(id, action, body, user),
      ],
      ["GET", /^\/devices$/, (q) => this.devices(q)],
      ["GET", /^\/devices\/([^/]+)$/, (_q, [id]) => this.device(id)],
      ["GET", /^\/devices\/([^/]+)\/latest$/, (_q, [id]) => this.latest(id)],
      ["GET", /^\/history$/, (q) => this.history(q)],
      [
        "GET",
        /^\/rules$/,
        () => ({
          items: ruleList((name) => city.open().filter((a) => a.rule === name).length),
          next: null,
          errors: [],
          loaded_at: this.startedAt,
        }),
      ],
      ["POST", /^\/display-tokens$/, (_q, _p, { name }) => ({ name, token: DISPLAY_TOKEN })],
      ["GET", /^\/quarantine$/, () => ({ items: city.quarantine, next: null })],
      ["GET", /^\/audit$/, (_q, _p, _b, user) => this.auditLog(user)],
    ];
  }

  /** The user behind a request, or null. */
  userOf(headers, url) {
    const bearer = headers.authorization?.replace(/^Bearer /, "") ?? url.searchParams.get("token");
    if (bearer === DISPLAY_TOKEN) return { name: "wall", role: "viewer" };
    const cookie = /ioc_session=([\w-]+)/.exec(headers.cookie ?? "")?.[1];
    return this.sessions.get(cookie) ?? null;
  }

  /** Answers a request below /api/v1; says whether it did. */
  async handle(request, response) {
    const url = new URL(request.url, "http://localhost");
    if (!url.pathname.startsWith(BASE)) return false;
    try {
      await this.route(request, response, url);
    } catch (error) {
      const { status = 500, title = "Internal error", detail = String(error), type = "about:blank" } = error;
      const problem = { type, title, status, detail, request_id: randomUUID() };
      response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
    }
    return true;
  }

  async route(request, response, url) {
    const path = url.pathname.slice(BASE.length);
    if (path === "/session") return this.session(request, response, url);
    const user = this.userOf(request.headers, url);
    if (!user) throw new Refusal(401, "Unauthorized", "sign in first, or send a token");
    for (const [method, pattern, answer] of this.routes) {
      const match = pattern.exec(path);
      if (!match || method !== request.method) continue;
      const body = method === "POST" || method === "PATCH" ? await readBody(request) : null;
      const value = answer(url.searchParams, match.slice(1).map(decodeURIComponent), body, user);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
      return;
    }
    throw new Refusal(404, "Not found", `there is no ${request.method} ${path}`);
  }

  async session(request, response, url) {
    const answer = (user, headers = {}) =>
      response
        .writeHead(200, { "content-type": "application/json", ...headers })
        .end(JSON.stringify({ user, expires_at: Date.now() + SESSION_MS, durable: true }));
    if (request.method === "POST") {
      const { username, password } = await readBody(request);
      if (USERS[username]?.password !== password)
        throw new Refusal(401, "Unauthorized", "the user name or the password is wrong");
      const id = randomUUID();
      const user = { name: username, role: USERS[username].role };
      this.sessions.set(id, user);
      this.city.audit.unshift({
        id: this.city.audit.length + 1,
        at: Date.now(),
        actor: username,
        action: "sign_in",
        object: username,
        detail: "",
      });
      return answer(user, { "set-cookie": `ioc_session=${id}; Path=/; HttpOnly; SameSite=Strict` });
    }
    const user = this.userOf(request.headers, url);
    if (request.method === "DELETE") {
      this.sessions.clear();
      return response.writeHead(204, { "set-cookie": "ioc_session=; Path=/; Max-Age=0" }).end();
    }
    if (!user) throw new Refusal(401, "Unauthorized", "there is no session");
    return answer(user);
  }

  /** Says what it would do; the passwords of the mock stay. */
  changePassword(name, { current_password, password }) {
    const refuse = (status, kind) => {
      throw new Refusal(status, "Refused", kind, `urn:ioc:problem:${kind}`);
    };
    if (USERS[name]?.password !== current_password) refuse(403, "wrong-password");
    if (password.length < 10) refuse(400, "password-short");
    return { name };
  }

  alerts(query) {
    const all = query.get("state") === "all" ? [...this.city.alerts.values()] : this.city.open();
    const wanted = all.filter(
      (a) =>
        (!query.get("severity") || a.severity === query.get("severity")) &&
        (!query.get("device") || a.device === query.get("device")),
    );
    return page(
      wanted.sort((a, b) => (a.id < b.id ? 1 : -1)),
      query,
    );
  }

  alert(id) {
    const alert = this.city.alerts.get(id);
    if (!alert) throw new Refusal(404, "Not found", `there is no alert ${id}`);
    return { ...alert, transitions: this.city.transitionsOf(id) };
  }

  act(id, action, body, user) {
    if (user.role === "viewer")
      throw new Refusal(403, "Forbidden", `${user.name} has the role viewer; this needs operator`);
    if (action === "note" && !body.text)
      throw new Refusal(400, "Bad request", "text: a note must not be empty");
    const kinds = { ack: "acknowledged", resolve: "resolved", note: "noted" };
    const alert = this.city.act(id, kinds[action], user.name, Date.now(), body.text ?? body.note ?? null);
    if (!alert) throw new Refusal(404, "Not found", `there is no alert ${id}`);
    return alert;
  }

  devices(query) {
    const wants = (name, value) => !query.get(name) || query.get(name) === value;
    const text = (query.get("q") ?? "").toLowerCase();
    const statusOf = (d) => (d.state >= 2 ? "alarm" : d.state === 1 ? "offline" : "normal");
    const wanted = this.city.devices.filter(
      (d) =>
        wants("domain", d.domain) &&
        wants("ward", d.ward) &&
        wants("kind", d.kind) &&
        wants("status", statusOf(d)) &&
        (!text ||
          d.id.toLowerCase().includes(text) ||
          Object.values(d.labels).some((v) => v.toLowerCase().includes(text))),
    );
    return page(wanted, query);
  }

  device(id) {
    const device = this.city.byId.get(id);
    if (!device) throw new Refusal(404, "Not found", `there is no device ${id}`);
    return device;
  }

  latest(id) {
    const device = this.device(id);
    return { device: id, items: this.city.latest(device, propertiesOf(device.kind)) };
  }

  history(query) {
    const device = this.device(query.get("device"));
    const name = query.get("property");
    const property = propertyNamed(name);
    if (!property) throw new Refusal(400, "Bad request", `property: there is no property ${name}`);
    const [from, to, buckets] = ["from", "to", "buckets"].map((key) => Number(query.get(key)));
    const step = (to - from) / buckets;
    const points = Array.from({ length: buckets }, (_, n) => {
      const t = Math.round(from + n * step);
      const values = [0.1, 0.3, 0.5, 0.7, 0.9].map((part) =>
        valueAt(device, name, t + part * step, this.city.flood),
      );
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      return {
        t,
        min: Math.min(...values),
        max: Math.max(...values),
        mean,
        last: values[4],
        count: values.length,
      };
    });
    return {
      property: name,
      unit: property.unit,
      points: points.filter((p) => p.t <= Date.now()),
      damaged: [],
    };
  }

  auditLog(user) {
    if (user.role !== "admin")
      throw new Refusal(403, "Forbidden", `${user.name} has the role ${user.role}; this needs admin`);
    return { items: this.city.audit, next: null };
  }
}

function page(items, query) {
  const start = Number(query.get("cursor") ?? 0);
  const limit = Number(query.get("limit") ?? 100);
  const end = start + limit;
  return { items: items.slice(start, end), next: end < items.length ? String(end) : null };
}
