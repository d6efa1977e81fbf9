/** Signing in, which the console asks for by itself, and one's own password. */
import type { Feature } from "../../app/feature.ts";
import ChangePassword from "./ChangePassword.svelte";
import { texts } from "./texts.ts";

export default {
  texts,
  menu: { title: texts["password.nav"], dialog: ChangePassword },
} satisfies Feature;
