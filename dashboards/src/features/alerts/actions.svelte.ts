/** What operators do to alerts; what they are typing stays theirs until the server has taken it. */
import type { ApiClient } from "../../api/client.ts";
import type { Alert } from "../../api/schema.ts";
import { isOpen } from "../../live/alerts.ts";

export type ActionName = "ack" | "resolve" | "note";

/** Notes begun on different alerts that are remembered. */
const DRAFTS_MAX = 50;

export class AlertActions {
  busy = $state<ActionName | null>(null);
  problem = $state.raw<{ alert: string; error: unknown } | null>(null);
  /** The alert whose closing was asked for while its condition is still true. */
  asking = $state<string | null>(null);
  private drafts = $state<Record<string, string>>({});

  constructor(
    private readonly api: Pick<ApiClient, "post">,
    /** Whether this user may act at all. */
    private readonly allowed: () => boolean,
    private readonly done: (alert: Alert) => void,
  ) {}

  draft(id: string): string {
    return this.drafts[id] ?? "";
  }

  setDraft(id: string, text: string): void {
    const kept = Object.entries(this.drafts).filter(([key]) => key !== id);
    this.drafts = Object.fromEntries([...kept.slice(-(DRAFTS_MAX - 1)), ...(text ? [[id, text]] : [])]);
  }

  async acknowledge(alert: Alert): Promise<void> {
    if (alert.acknowledged_at === null && alert.resolved_at === null)
      await this.run("ack", alert.id, () =>
        this.api.post("/api/v1/alerts/{id}/ack", { path: { id: alert.id } }),
      );
  }

  /** Closes what has cleared; of what still fires, asks first: once closed it does not come back by itself. */
  askResolve(alert: Alert): void {
    if (isOpen(alert)) this.asking = this.allowed() ? alert.id : null;
    else void this.resolve(alert);
  }

  /** Does not close what was asked about. */
  readonly keepOpen = (): void => {
    this.asking = null;
  };

  /** Closes it, with the note that stands there, if any. */
  async resolve(alert: Alert): Promise<void> {
    this.asking = null;
    if (alert.resolved_at !== null) return;
    const note = this.draft(alert.id).trim();
    const body = note ? { note } : {};
    const call = () => this.api.post("/api/v1/alerts/{id}/resolve", { path: { id: alert.id }, body });
    if (await this.run("resolve", alert.id, call)) this.setDraft(alert.id, "");
  }

  async note(alert: Alert): Promise<void> {
    const text = this.draft(alert.id).trim();
    const call = () => this.api.post("/api/v1/alerts/{id}/note", { path: { id: alert.id }, body: { text } });
    if (text && (await this.run("note", alert.id, call))) this.setDraft(alert.id, "");
  }

  /** One action at a time; says whether the server took it. */
  private async run(name: ActionName, id: string, call: () => Promise<Alert>): Promise<boolean> {
    if (this.busy || !this.allowed()) return false;
    this.busy = name;
    this.problem = null;
    try {
      this.done(await call());
      return true;
    } catch (error) {
      this.problem = { alert: id, error };
      return false;
    } finally {
      this.busy = null;
    }
  }
}
