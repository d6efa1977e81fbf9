/** Names of the city's wards by their code. */
import type { Areas } from "../api/schema.ts";

/**
 * Ward names by code. Vietnamese marks stay in both languages, as on the city's own signs and on the map;
 * an unknown code is shown as it is.
 */
export class WardNames {
  private readonly names = new Map<string, string>();

  constructor(areas: Areas) {
    for (const { properties } of areas.features) {
      if (properties.layer === "ward" && properties.code && properties.name) {
        this.names.set(properties.code, properties.name);
      }
    }
  }

  /** Name of a ward, `null` for none. */
  of(code: string | null): string | null {
    return code === null ? null : (this.names.get(code) ?? code);
  }

  /** All wards by name, for a choice. */
  sorted(): { code: string; name: string }[] {
    const list = [...this.names].map(([code, name]) => ({ code, name }));
    return list.sort((a, b) => a.name.localeCompare(b.name, "vi"));
  }
}
