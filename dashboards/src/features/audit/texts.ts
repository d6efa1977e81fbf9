/** Texts of the audit page. */
import type { Texts } from "../../i18n/text.ts";

export const texts = {
  "audit.nav": { vi: "Nhật ký", en: "Audit log" },
  "audit.title": { vi: "Nhật ký thay đổi và đăng nhập", en: "Changes and sign-ins" },
  "audit.at": { vi: "Lúc", en: "At" },
  "audit.user": { vi: "Ai", en: "Who" },
  "audit.action": { vi: "Việc", en: "Action" },
  "audit.object": { vi: "Đối tượng", en: "Object" },
  "audit.none": { vi: "Nhật ký trống", en: "The log is empty" },
} as const satisfies Texts;
