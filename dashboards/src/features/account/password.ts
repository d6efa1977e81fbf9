/** Why a password is refused, in words of ours: the server names the reason, the page says it in both languages. */
import { ApiError } from "../../api/client.ts";
import type { texts } from "./texts.ts";

type Key = keyof typeof texts;

/** As the server has it. */
export const PASSWORD_LEN_MIN = 10;

const PREFIX = "urn:ioc:problem:";

const REASONS = {
  "password-short": "password.short",
  "password-long": "password.long",
  "password-control": "password.control",
  "password-common": "password.common",
  "password-word": "password.word",
  "password-keyboard": "password.keyboard",
  "password-repeat": "password.repeats",
  "password-sequence": "password.sequence",
  "password-date": "password.date",
  "password-guessable": "password.guessable",
  "wrong-password": "password.wrong",
  "too-many-requests": "signIn.slow",
  unavailable: "signIn.unavailable",
} as const satisfies Record<string, Key>;

/** Returns the text for a refusal that we know; `null` for everything else. */
export function reasonKey(problem: unknown): Key | null {
  if (!(problem instanceof ApiError) || !problem.problem.type?.startsWith(PREFIX)) return null;
  const kind = problem.problem.type.slice(PREFIX.length);
  return Object.hasOwn(REASONS, kind) ? REASONS[kind as keyof typeof REASONS] : null;
}
