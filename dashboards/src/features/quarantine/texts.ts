/** Texts of the quarantine page. */
import type { Texts } from "../../i18n/text.ts";

export const texts = {
  "quarantine.nav": { vi: "Dữ liệu bị loại", en: "Quarantine" },
  "quarantine.help": {
    vi: "Bản tin và giá trị không dùng được, với lý do; số liệu tốt trong cùng bản tin vẫn được giữ.",
    en: "Messages and values that could not be used, and why; good values of the same message were kept.",
  },
  "quarantine.at": { vi: "Lúc", en: "At" },
  "quarantine.reason": { vi: "Lý do", en: "Reason" },
  "quarantine.topic": { vi: "Chủ đề", en: "Topic" },
  "quarantine.payload": { vi: "Nội dung", en: "Payload" },
  "quarantine.credential": { vi: "Thông tin xác thực", en: "Credential" },
  "quarantine.size": { vi: "Kích thước", en: "Size" },
  "quarantine.hex": { vi: "Dạng hex", en: "In hex" },
  "quarantine.open": { vi: "Mở chi tiết", en: "Open details" },
  "quarantine.close": { vi: "Đóng chi tiết", en: "Close details" },
  "quarantine.none": { vi: "Chưa có dữ liệu nào bị loại", en: "Nothing was rejected" },
} as const satisfies Texts;
