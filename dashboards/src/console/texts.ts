/** Texts of what stands around the pages of the console. */
import type { Texts } from "../i18n/text.ts";

export const texts = {
  "clock.ahead": {
    vi: "Đồng hồ máy chủ có vẻ nhanh {age}: {n}/{of} thiết bị cho biết như vậy. Số liệu được xét theo giờ của thiết bị, cảnh báo vẫn chạy; cần chỉnh giờ máy chủ.",
    en: "The server's clock seems to be {age} ahead: {n} of {of} devices say so. Readings are judged by their time, alerts go on; set the server's clock.",
  },
  "clock.behind": {
    vi: "Đồng hồ máy chủ có vẻ chậm {age}: {n}/{of} thiết bị cho biết như vậy. Số liệu được xét theo giờ của thiết bị, cảnh báo vẫn chạy; cần chỉnh giờ máy chủ.",
    en: "The server's clock seems to be {age} behind: {n} of {of} devices say so. Readings are judged by their time, alerts go on; set the server's clock.",
  },
  "clock.unsynchronized": {
    vi: "Đồng hồ máy chủ chưa được đồng bộ (NTP).",
    en: "The server's clock is not synchronized (NTP).",
  },
  "clock.devicesWrong": {
    vi: "{n} thiết bị sai giờ đến mức số liệu của chúng không phát được cảnh báo.",
    en: "The clocks of {n} devices are so wrong that their readings raise no alerts.",
  },
  "nav.signOut": { vi: "Đăng xuất", en: "Sign out" },
  "nav.label": { vi: "Trang", en: "Pages" },
  "nav.skip": { vi: "Đến nội dung chính", en: "Skip to content" },
  "role.viewer": { vi: "Người xem", en: "Viewer" },
  "role.operator": { vi: "Trực điều hành", en: "Operator" },
  "role.engineer": { vi: "Kỹ sư", en: "Engineer" },
  "role.admin": { vi: "Quản trị viên", en: "Administrator" },
  "session.notDurable": {
    vi: "Đĩa của máy chủ đã đầy: phiên làm việc này sẽ mất nếu máy chủ khởi động lại.",
    en: "The server's disk is full: this session ends if the server restarts.",
  },
} as const satisfies Texts;
