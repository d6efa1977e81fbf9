/** Every change and sign-in, for administrators. */
import type { Feature } from "../../app/feature.ts";
import AuditPage from "./AuditPage.svelte";
import { texts } from "./texts.ts";

export default {
  texts,
  page: { path: "audit", title: texts["audit.nav"], view: AuditPage, role: "admin", order: 50 },
} satisfies Feature;
