/** Who is signed in, and how a call that meets an expired session waits until someone signs in again. */
import { createContext } from "svelte";
import { ApiClient, ApiError } from "./client.ts";
import type { ServerClock } from "./clock.ts";
import { ROLE_VALUES, type Role, type SessionInfo, type SessionUser } from "./schema.ts";

/** Mark that this browser has a session cookie, which a page cannot see itself. */
const SIGNED_IN = "ioc-signed-in";

export class Session {
  /** `undefined` until it is known. */
  user = $state.raw<SessionUser | null | undefined>(undefined);
  /** Whether the session outlives a restart of the server; it does not while its disk is full. */
  durable = $state(true);
  /** The session ran out while someone was working: the page stays, a dialog asks. */
  expired = $state(false);
  readonly api: ApiClient;
  private waiting: ((signedIn: boolean) => void)[] = [];

  constructor(clock?: ServerClock) {
    this.api = new ApiClient({ clock, onUnauthorized: () => this.askAgain() });
  }

  /** Finds out whether the cookie still holds; nobody is asked when nobody signed in on this machine. */
  async load(): Promise<void> {
    if (localStorage.getItem(SIGNED_IN) === null) {
      this.user = null;
      return;
    }
    try {
      this.enter(await this.api.get("/api/v1/session"));
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      this.user = null;
    }
  }

  /** Signs in, and lets the calls that waited for it go on. */
  async signIn(username: string, password: string): Promise<void> {
    this.enter(await this.api.post("/api/v1/session", { body: { username, password } }));
    localStorage.setItem(SIGNED_IN, "1");
    this.settle(true);
  }

  /**
   * Changes the password of whoever is signed in; other sessions of theirs end. A wrong current one is a 403, so that it
   * is not taken for an ended session.
   */
  async changePassword(current: string, password: string): Promise<void> {
    const body = { current_password: current, password };
    if (this.user) await this.api.patch("/api/v1/users/{name}", { path: { name: this.user.name }, body });
  }

  /** Gives up waiting: the calls fail with what the server said. */
  cancel(): void {
    this.settle(false);
  }

  async signOut(): Promise<void> {
    await this.api.delete("/api/v1/session");
    localStorage.removeItem(SIGNED_IN);
    this.user = null;
    this.settle(false);
  }

  /** Reports whether the role of this user includes another; the document lists the least first. */
  may(role: Role): boolean {
    return this.user ? ROLE_VALUES.indexOf(this.user.role) >= ROLE_VALUES.indexOf(role) : false;
  }

  /** Called when the server no longer knows us, by a call or by the stream. */
  askAgain(): Promise<boolean> {
    if (!this.user) return Promise.resolve(false);
    this.expired = true;
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private enter({ user, durable }: SessionInfo): void {
    this.user = user;
    this.durable = durable;
  }

  private settle(signedIn: boolean): void {
    this.expired = false;
    for (const resolve of this.waiting.splice(0)) resolve(signedIn);
  }
}

export const [useSession, provideSession] = createContext<Session>();
