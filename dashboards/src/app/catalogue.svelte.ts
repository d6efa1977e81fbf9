/** Titles and units of properties and kinds, read once. */
import { session } from "../api/session.svelte.ts";
import type { Catalogue, CatalogueKind, CatalogueProperty } from "../api/types.ts";

class CatalogueStore {
  private data = $state.raw<Catalogue | null>(null);
  private asked = false;

  /** Reads it at the first use; a failure is tried again at the next. */
  private need(): Catalogue | null {
    if (!this.asked) {
      this.asked = true;
      session.api.catalogue().then(
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

  kind(name: string): CatalogueKind | undefined {
    return this.need()?.kinds.find((kind) => kind.name === name);
  }

  property(name: string): CatalogueProperty | undefined {
    return this.need()?.properties.find((property) => property.name === name);
  }

  /** The first property that an expression names. */
  propertyOf(expr: string): CatalogueProperty | undefined {
    for (const [name] of expr.matchAll(/[a-z_][a-z0-9_]*/g)) {
      const found = this.property(name);
      if (found) return found;
    }
    return undefined;
  }
}

export const catalogue = new CatalogueStore();
