/** Texts of the rule page. */
import type { Texts } from "../../i18n/text.ts";

export const texts = {
  "rules.nav": { vi: "Quy tắc", en: "Rules" },
  "rules.title": { vi: "Quy tắc cảnh báo", en: "Alert rules" },
  "rules.name": { vi: "Tên", en: "Name" },
  "rules.for": { vi: "Kéo dài", en: "For" },
  "rules.health": { vi: "Tình trạng", en: "Health" },
  "rules.ok": { vi: "Tốt", en: "OK" },
  "rules.error": { vi: "Lỗi", en: "Error" },
  "rules.firing": { vi: "Đang báo", en: "Firing" },
  "rules.pending": { vi: "Đang chờ", en: "Pending" },
  "rules.where": { vi: "Tệp quy tắc", en: "Rule file" },
  "rules.search": { vi: "Tìm quy tắc…", en: "Search rules…" },
  "rules.notInForce": {
    vi: "Tệp quy tắc trên đĩa có lỗi nên chưa được dùng; các quy tắc dưới đây vẫn đang chạy:",
    en: "The rule files on disk have errors and are not in force; the rules below go on running:",
  },
  "rules.none": { vi: "Không có quy tắc nào", en: "No rules" },
} as const satisfies Texts;
