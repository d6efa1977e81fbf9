/** The devices of the city: the list, and each with its values, its past and what is wrong with it. */
import type { Feature } from "../../app/feature.ts";
import DevicesPage from "./DevicesPage.svelte";
import { texts } from "./texts.ts";

export default {
  texts,
  page: { path: "devices", title: texts["devices.nav"], view: DevicesPage, role: "viewer", order: 20 },
} satisfies Feature;
