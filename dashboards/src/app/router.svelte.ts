/** Page and filters live in the address, behind `#`: the server serves one page, and a link shows what its sender saw. */
export type PageName = "alerts" | "devices" | "rules" | "quarantine" | "audit";

const PAGES: readonly string[] = ["alerts", "devices", "rules", "quarantine", "audit"] satisfies PageName[];

export interface Route {
  page: PageName | null;
  /** Of the alert or the device. */
  id: string | null;
  query: URLSearchParams;
}

/** Reads `#/devices/WL-KIMLONG?range=24`; an empty address is the alerts. */
export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  const [name = "", id = ""] = path.split("/").filter(Boolean);
  const page = name === "" ? "alerts" : PAGES.includes(name) ? (name as PageName) : null;
  return { page, id: id === "" ? null : safeDecode(id), query: new URLSearchParams(search) };
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Address of a page; empty values are left out. */
export function hrefOf(
  page: PageName,
  id: string | null,
  query: URLSearchParams | Record<string, string> = {},
): string {
  const kept = [...new URLSearchParams(query)].filter(([, value]) => value !== "");
  const search = new URLSearchParams(kept).toString();
  return `#/${page}${id === null ? "" : `/${encodeURIComponent(id)}`}${search ? `?${search}` : ""}`;
}

class Router {
  route = $state.raw<Route>(parseRoute(location.hash));

  constructor() {
    addEventListener("hashchange", () => {
      this.route = parseRoute(location.hash);
    });
  }

  /** Value of a filter, "" when it is not set. */
  param(name: string): string {
    return this.route.query.get(name) ?? "";
  }

  /** Goes to a page with a new entry in the browser's history. */
  go(page: PageName, id: string | null = null, query: URLSearchParams | Record<string, string> = {}): void {
    location.hash = hrefOf(page, id, query);
  }

  /** Selects something on this page: replaces the entry, so that Back leaves the page. */
  select(id: string | null): void {
    this.replace(id, this.route.query);
  }

  /** Sets filters of this page, keeping what is selected. */
  setParams(values: Record<string, string>): void {
    const query = new URLSearchParams(this.route.query);
    for (const [name, value] of Object.entries(values)) {
      if (value === "") query.delete(name);
      else query.set(name, value);
    }
    this.replace(this.route.id, query);
  }

  private replace(id: string | null, query: URLSearchParams): void {
    const href = hrefOf(this.route.page ?? "alerts", id, query);
    history.replaceState(history.state, "", href);
    this.route = parseRoute(href);
  }
}

export const router = new Router();
