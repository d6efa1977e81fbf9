/** A list that comes page by page from the server, up to a bound. */

/** A page of any list of the API. */
export interface Page<T> {
  items: T[];
  next?: string | null;
}

/** Rows kept in the browser; who needs more narrows the filter. */
export const ROWS_MAX = 5000;

export class PagedList<T> {
  items = $state.raw<T[]>([]);
  next = $state.raw<string | null>(null);
  loading = $state(false);
  /** The first page has come. */
  loaded = $state(false);
  problem = $state.raw<unknown>(null);
  /** Answers of an older question are dropped. */
  private question = 0;

  constructor(private readonly fetchPage: (cursor: string | null) => Promise<Page<T>>) {}

  /** Asks from the beginning; what was shown stays until the answer is here. */
  restart(): Promise<void> {
    return this.load(null);
  }

  /** Adds the next page. */
  async more(): Promise<void> {
    if (this.next !== null && !this.loading && this.items.length < ROWS_MAX) await this.load(this.next);
  }

  /** Puts the newer state of an item in its place, if it is held. */
  replace(item: T, same: (held: T) => boolean): void {
    if (this.items.some(same)) this.items = this.items.map((held) => (same(held) ? item : held));
  }

  private async load(cursor: string | null): Promise<void> {
    const question = ++this.question;
    this.loading = true;
    try {
      const page = await this.fetchPage(cursor);
      if (question !== this.question) return;
      this.items = cursor === null ? page.items : [...this.items, ...page.items].slice(0, ROWS_MAX);
      this.next = this.items.length < ROWS_MAX ? (page.next ?? null) : null;
      this.problem = null;
      this.loaded = true;
    } catch (error) {
      if (question === this.question) this.problem = error;
    } finally {
      if (question === this.question) this.loading = false;
    }
  }
}
