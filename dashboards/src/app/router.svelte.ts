/** Page and filters live in the address, behind `#`: the server serves one page, and a link shows what its sender saw. */
import { createContext } from "svelte";

export interface Route {
  page: string;
  /** Of the alert or the device. */
  id: string | null;
  query: URLSearchParams;
}

/** Reads `#/devices/WL-KIMLONG?range=24`; an empty address is the page `home`. */
export function parseRoute(hash: string, home: string): Route {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  const [page = home, id = ""] = path.split("/").filter(Boolean);
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
export function hrefOf(page: string, id: string | null = null, query = new URLSearchParams()): string {
  const kept = [...query].filter(([, value]) => value !== "");
  const search = new URLSearchParams(kept).toString();
  return `#/${page}${id === null ? "" : `/${encodeURIComponent(id)}`}${search ? `?${search}` : ""}`;
}

export class Router {
  route = $state.raw<Route>(parseRoute("", ""));

  /** @param home the page of an empty address */
  constructor(private readonly home: string) {
    this.read(location.hash);
  }

  /** Follows the address until the returned function is called. */
  follow(): () => void {
    const read = (): void => this.read(location.hash);
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }

  /** Value of a filter, "" when it is not set. */
  param(name: string): string {
    return this.route.query.get(name) ?? "";
  }

  /** Goes to a page with a new entry in the browser's history. */
  go(page: string, id: string | null = null): void {
    location.hash = hrefOf(page, id);
  }

  /** Selects something on a page: replaces the entry, so that Back leaves the page. */
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
    const href = hrefOf(this.route.page, id, query);
    history.replaceState(history.state, "", href);
    this.read(href);
  }

  private read(hash: string): void {
    this.route = parseRoute(hash, this.home);
  }
}

export const [useRouter, provideRouter] = createContext<Router>();
