/**
 * What a page of the console registers in `features/NAME/index.ts`: its address, its entry in the navigation, its texts.
 * The console finds it there by itself.
 */
import type { Component } from "svelte";
import type { Role, Text } from "../api/schema.ts";
import type { Texts } from "../i18n/text.ts";
import type { LiveCity } from "../live/live.svelte.ts";

export interface Page {
  /** First part of the address, `#/alerts`. The page gets what follows it, `null` for nothing. */
  path: string;
  title: Text;
  view: Component<{ id: string | null }>;
  /** Who sees it in the navigation; the server decides who gets its data. */
  role: Role;
  /** Position in the navigation; the first page is where an empty address leads. */
  order: number;
  /** A number beside its title. */
  count?: (live: LiveCity) => number;
}

/** An entry below the user's name that opens a dialog over any page. */
export interface MenuEntry {
  title: Text;
  dialog: Component<{ onclose: () => void }>;
}

/** A page that is one list need not know what follows its path. */
type View = Page["view"] | Component<Record<string, never>>;

export interface Feature {
  texts: Texts;
  page?: Omit<Page, "view"> & { view: View };
  menu?: MenuEntry;
}

/** Joins what features register, pages in the order of the navigation. */
export function joinFeatures(features: readonly Feature[]): { pages: Page[]; menu: MenuEntry[] } {
  const pages = features.flatMap(({ page }) => (page as Page | undefined) ?? []);
  pages.sort((a, b) => a.order - b.order);
  return { pages, menu: features.flatMap(({ menu }) => menu ?? []) };
}
