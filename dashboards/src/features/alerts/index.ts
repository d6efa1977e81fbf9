/** The operator's work: open alerts, everything about one of them, and what can be done. */
import type { Feature } from "../../app/feature.ts";
import AlertsPage from "./AlertsPage.svelte";
import { texts } from "./texts.ts";

export default {
  texts,
  page: {
    path: "alerts",
    title: texts["alerts.nav"],
    view: AlertsPage,
    role: "viewer",
    order: 10,
    count: (live) => live.counts.total,
  },
} satisfies Feature;
