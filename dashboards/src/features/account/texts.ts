/** Texts of signing in and of passwords. */
import type { Texts } from "../../i18n/text.ts";

export const texts = {
  "password.nav": { vi: "Đổi mật khẩu", en: "Change password" },
  "signIn.user": { vi: "Tên đăng nhập", en: "User name" },
  "signIn.password": { vi: "Mật khẩu", en: "Password" },
  "signIn.submit": { vi: "Đăng nhập", en: "Sign in" },
  "signIn.busy": { vi: "Đang đăng nhập…", en: "Signing in…" },
  "signIn.wrong": {
    vi: "Tên đăng nhập hoặc mật khẩu không đúng",
    en: "The user name or the password is wrong",
  },
  "signIn.again": { vi: "Phiên làm việc đã hết hạn", en: "Your session has expired" },
  "signIn.againHelp": {
    vi: "Đăng nhập lại để tiếp tục. Những gì bạn đang nhập vẫn được giữ nguyên.",
    en: "Sign in again to go on. What you were typing is kept.",
  },
  "signIn.cancel": { vi: "Để sau", en: "Later" },
  "signIn.slow": {
    vi: "Có quá nhiều lần thử sai. Chờ vài giây rồi thử lại; mật khẩu đúng vẫn vào được.",
    en: "There were too many wrong tries. Wait a few seconds and try again; the right password still gets in.",
  },
  "signIn.unavailable": {
    vi: "Máy chủ đang bận. Thử lại sau vài giây.",
    en: "The server is busy. Try again in a few seconds.",
  },
  "password.title": { vi: "Đổi mật khẩu", en: "Change password" },
  "password.help": {
    vi: "Ít nhất {n} ký tự và khó đoán: bốn từ trở lên không liên quan đến nhau là đủ. Các phiên khác của bạn sẽ kết thúc.",
    en: "At least {n} characters and hard to guess: four or more unrelated words are enough. Your other sessions end.",
  },
  "password.current": { vi: "Mật khẩu hiện tại", en: "Current password" },
  "password.new": { vi: "Mật khẩu mới", en: "New password" },
  "password.repeat": { vi: "Nhập lại mật khẩu mới", en: "New password again" },
  "password.submit": { vi: "Đổi mật khẩu", en: "Change password" },
  "password.busy": { vi: "Đang đổi…", en: "Changing…" },
  "password.cancel": { vi: "Thôi", en: "Cancel" },
  "password.close": { vi: "Đóng", en: "Close" },
  "password.done": {
    vi: "Mật khẩu đã được đổi. Các phiên khác của bạn đã kết thúc.",
    en: "The password was changed. Your other sessions have ended.",
  },
  "password.failed": { vi: "Mật khẩu chưa được đổi", en: "The password was not changed" },
  "password.differs": {
    vi: "Hai lần nhập mật khẩu mới không giống nhau",
    en: "The two new passwords are not the same",
  },
  "password.wrong": { vi: "Mật khẩu hiện tại không đúng", en: "The current password is wrong" },
  "password.short": {
    vi: "Mật khẩu mới quá ngắn: cần ít nhất 10 ký tự",
    en: "The new password is too short: it needs at least 10 characters",
  },
  "password.long": {
    vi: "Mật khẩu mới quá dài: nhiều nhất 256 byte",
    en: "The new password is too long: at most 256 bytes",
  },
  "password.control": {
    vi: "Mật khẩu mới có ký tự điều khiển, như tab hoặc xuống dòng",
    en: "The new password holds a control character, such as a tab or a line break",
  },
  "password.common": {
    vi: "Mật khẩu này gần giống một mật khẩu phổ biến mà ai cũng thử trước",
    en: "This password is close to a common one that everybody tries first",
  },
  "password.word": {
    vi: "Mật khẩu này chỉ là một từ hoặc một tên",
    en: "This password is only a word or a name",
  },
  "password.keyboard": {
    vi: "Mật khẩu này đi theo hàng phím trên bàn phím",
    en: "This password follows the rows of the keyboard",
  },
  "password.repeats": { vi: "Mật khẩu này lặp lại vài ký tự", en: "This password repeats a few characters" },
  "password.sequence": {
    vi: "Mật khẩu này là một dãy liên tiếp, như abc hoặc 6543",
    en: "This password is a sequence, such as abc or 6543",
  },
  "password.date": {
    vi: "Mật khẩu này gần như chỉ là ngày tháng hoặc năm",
    en: "This password is mostly a date or a year",
  },
  "password.guessable": {
    vi: "Mật khẩu này dễ đoán từ tên đăng nhập, tên thành phố hoặc từ thông dụng",
    en: "This password is easy to guess from the user name, the city or common words",
  },
} as const satisfies Texts;
