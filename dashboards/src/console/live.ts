/** The console's live city: one stream for all of its pages. */
import { streamUrl } from "../api/client.ts";
import { session } from "../api/session.svelte.ts";
import { LiveCity } from "../live/live.svelte.ts";

export const live = new LiveCity({
  url: () => streamUrl(null),
  channels: ["alerts", "state"],
  kpis: session.api.kpis,
  // Finds out whether the session is over; if so, the sign-in dialog opens by itself.
  wanted: () => !session.expired,
  refused: () => void session.api.city().catch(() => undefined),
});
