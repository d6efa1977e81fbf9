/** Components under test: each gets a session, a live city and a router of its own, and a server whose answers are given. */
import { render } from "@testing-library/svelte";
import userEvent, { type UserEvent } from "@testing-library/user-event";
import type { Component, ComponentProps } from "svelte";
import { vi } from "vitest";
import type { AreaGeometry, Areas, CityInfo, Role } from "../api/schema.ts";
import { Session } from "../api/session.svelte.ts";
import { CatalogueStore } from "../app/catalogue.svelte.ts";
import { City } from "../app/city.ts";
import { Router } from "../app/router.svelte.ts";
import { I18n } from "../i18n/i18n.svelte.ts";
import type { Lang } from "../i18n/text.ts";
import { LiveCity } from "../live/live.svelte.ts";
import Harness from "./Harness.svelte";

/** What a server answers, by method and path: a value, or a function of the address and the body. */
export type Answers = Record<string, unknown>;

export interface Asked {
  call: string;
  query: URLSearchParams;
  body: unknown;
}

/** A refusal, as the server puts it. */
export class Refused {
  constructor(
    readonly status: number,
    readonly problem: object,
  ) {}
}

/** Answers `fetch` until the test is over; what was asked is in the list that it returns. */
export function serve(answers: Answers): Asked[] {
  const asked: Asked[] = [];
  vi.stubGlobal("fetch", async (address: string, { method = "GET", body }: RequestInit = {}) => {
    const url = new URL(address, "http://localhost");
    const question = {
      call: `${method} ${url.pathname.replace("/api/v1", "")}`,
      query: url.searchParams,
      body: body ? JSON.parse(String(body)) : undefined,
    };
    asked.push(question);
    const given = answers[question.call];
    const answer = typeof given === "function" ? given(question) : given;
    if (answer instanceof Refused) return Response.json(answer.problem, { status: answer.status });
    if (answer === undefined) return Response.json({ title: "Not Found" }, { status: 404 });
    return answer === null ? new Response(null, { status: 204 }) : Response.json(answer);
  });
  return asked;
}

export const CITY: CityInfo = {
  code: "hue",
  name: { vi: "Huế", en: "Huế" },
  title: { vi: "Huế", en: "Huế" },
  center: [107.59, 16.46],
  zoom: 11,
  bounds: [107, 16, 108, 17],
  time_zone: "Asia/Ho_Chi_Minh",
  sketch: true,
  trend: {
    device: "WL",
    property: "water_level",
    title: { vi: "", en: "" },
    unit: "m",
    hours: 24,
    limits: [],
  },
  stations: [],
  build: "test",
};

const geometry: AreaGeometry = {
  type: "Polygon",
  coordinates: [
    [
      [107, 16],
      [108, 16],
      [108, 17],
      [107, 16],
    ],
  ],
};
export const AREAS: Areas = {
  type: "FeatureCollection",
  features: [{ type: "Feature", properties: { layer: "ward", code: "1", name: "Vỹ Dạ" }, geometry }],
};

export interface Parts {
  i18n: I18n;
  session: Session;
  live: LiveCity;
  router: Router;
  catalogue: CatalogueStore;
  city: City;
}

export interface Scene {
  lang?: Lang;
  role?: Role;
  answers?: Answers;
}

export interface Stage extends Parts {
  user: UserEvent;
  /** What the server was asked. */
  asked: Asked[];
}

/** Shows a component with its props to a user of a role, in English if not said otherwise. */
// biome-ignore lint/suspicious/noExplicitAny: any props, which the next argument is checked against
export function show<Shown extends Component<any>>(
  component: Shown,
  given: ComponentProps<Shown>,
  { lang = "en", role = "admin", answers = {} }: Scene = {},
): Stage {
  const asked = serve(answers);
  const session = new Session();
  session.user = { name: "mai", role };
  const parts: Parts = {
    i18n: new I18n(lang),
    session,
    live: new LiveCity({ url: () => "", channels: [], refused: () => undefined }),
    router: new Router("home"),
    catalogue: new CatalogueStore(session.api),
    city: new City(CITY, AREAS),
  };
  render(Harness, { parts, shown: component as unknown as Component<Record<string, unknown>>, given });
  return { ...parts, asked, user: userEvent.setup() };
}
