/** Titles and units of domains, properties and kinds, read once. */
import { createContext } from "svelte";
import type { ApiClient } from "../api/client.ts";
import type { Catalogue, CityDomain, DeviceKind, Property, Text } from "../api/schema.ts";

export class CatalogueStore {
  private data = $state.raw<Catalogue | null>(null);
  private asked = false;

  constructor(private readonly api: Pick<ApiClient, "get">) {}

  /** Reads it at the first use; a failure is tried again at the next. */
  private need(): Catalogue | null {
    if (!this.asked) {
      this.asked = true;
      this.api.get("/api/v1/catalogue").then(
        (data) => {
          this.data = data;
        },
        () => {
          this.asked = false;
        },
      );
    }
    return this.data;
  }

  /** In the order in which screens show them. */
  domains(): readonly CityDomain[] {
    return this.need()?.domains ?? [];
  }

  /** Returns the title of a domain, its name in both languages until there is one. */
  domainTitle(name: string): Text {
    return this.domains().find((domain) => domain.name === name)?.title ?? { vi: name, en: name };
  }

  kind(name: string): DeviceKind | undefined {
    return this.need()?.kinds.find((kind) => kind.name === name);
  }

  property(name: string): Property | undefined {
    return this.need()?.properties.find((property) => property.name === name);
  }

  /** The first property that an expression names. */
  propertyOf(expr: string): Property | undefined {
    for (const [name] of expr.matchAll(/[a-z_][a-z0-9_]*/g)) {
      const found = this.property(name);
      if (found) return found;
    }
    return undefined;
  }
}

export const [useCatalogue, provideCatalogue] = createContext<CatalogueStore>();
