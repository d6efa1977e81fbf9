/** Who is signed in, and how a call that meets an expired session waits until someone signs in again. */
import { ApiClient, ApiError } from "./client.ts";
import type { Role, Session, User } from "./types.ts";

const RANK: Record<Role, number> = { viewer: 0, operator: 1, engineer: 2, admin: 3 };

/** Mark that this browser has a session cookie, which a page cannot see itself. */
const SIGNED_IN = "ioc-signed-in";

class SessionStore {
  /** `undefined` until it is known. */
  user = $state.raw<User | null | undefined>(undefined);
  /** Whether the session outlives a restart of the server; it does not while its disk is full. */
  durable = $state(true);
  /** The session ran out while someone was working: the page stays, a dialog asks. */
  expired = $state(false);
  readonly api: ApiClient = new ApiClient(
    () => null,
    () => this.askAgain(),
  );
  private waiting: ((signedIn: boolean) => void)[] = [];

  /** Finds out whether the cookie still holds; nobody is asked when nobody signed in on this machine. */
  async load(): Promise<void> {
    if (localStorage.getItem(SIGNED_IN) === null) {
      this.user = null;
      return;
    }
    try {
      this.enter(await this.api.session());
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      this.user = null;
    }
  }

  /** Signs in, and lets the calls that waited for it go on. */
  async signIn(username: string, password: string): Promise<void> {
    this.enter(await this.api.signIn(username, password));
    localStorage.setItem(SIGNED_IN, "1");
    this.settle(true);
  }

  /** Changes the password of whoever is signed in; other sessions of theirs end. */
  async changePassword(current: string, password: string): Promise<void> {
    if (this.user) await this.api.changePassword(this.user.name, current, password);
  }

  /** Gives up waiting: the calls fail with what the server said. */
  cancel(): void {
    this.settle(false);
  }

  async signOut(): Promise<void> {
    await this.api.signOut();
    localStorage.removeItem(SIGNED_IN);
    this.user = null;
    this.settle(false);
  }

  /** Says whether the role of this user includes another. */
  may(role: Role): boolean {
    return this.user ? RANK[this.user.role] >= RANK[role] : false;
  }

  /** Called when the server no longer knows us, by a call or by the stream. */
  askAgain(): Promise<boolean> {
    if (!this.user) return Promise.resolve(false);
    this.expired = true;
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private enter({ user, durable }: Session): void {
    this.user = user;
    this.durable = durable;
  }

  private settle(signedIn: boolean): void {
    this.expired = false;
    for (const resolve of this.waiting.splice(0)) resolve(signedIn);
  }
}

export const session = new SessionStore();
