/** The rules that are loaded, with their health. */
import type { Feature } from "../../app/feature.ts";
import RulesPage from "./RulesPage.svelte";
import { texts } from "./texts.ts";

export default {
  texts,
  page: { path: "rules", title: texts["rules.nav"], view: RulesPage, role: "viewer", order: 30 },
} satisfies Feature;
