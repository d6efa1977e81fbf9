/** The city whose console this is, as every page of it may use it. */
import { createContext } from "svelte";
import type { Areas, CityInfo } from "../api/schema.ts";
import { WardNames } from "../util/areas.ts";

export class City {
  readonly wards: WardNames;
  constructor(
    readonly facts: CityInfo,
    readonly areas: Areas,
  ) {
    this.wards = new WardNames(areas);
  }
}

export const [useCity, provideCity] = createContext<City>();
