/** What was rejected, and why. */
import type { Feature } from "../../app/feature.ts";
import QuarantinePage from "./QuarantinePage.svelte";
import { texts } from "./texts.ts";

export default {
  texts,
  page: {
    path: "quarantine",
    title: texts["quarantine.nav"],
    view: QuarantinePage,
    role: "engineer",
    order: 40,
  },
} satisfies Feature;
