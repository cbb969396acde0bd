// Whether updates of a running step still come. Its machine's clock and ours need not agree.

/** Updates that may be missed, and for how long at least, before silence is told. */
const MISSED = 5;
const LEAST_S = 90;
/** What a page that has just been opened, or has just woken, waits for whoever brings it updates. */
const OPENED_S = 20;
/** How far two clocks may be apart that nothing is known of. */
const SKEW_S = 600;
/** Time between two looks counts no longer than this: a tab that was asleep has missed nothing. */
const LOOK_S = 5;

/** What is known at a look: seconds without news; `silent`: too many; `stale`: the page may be old, so nothing goes on. */
export interface Look {
  behind: number;
  silent: boolean;
  stale: boolean;
}

export class News {
  private updatedAt: number | null = null;
  private heard = 0;
  /** Our clock less the time of news as it comes: how far the clocks are apart, as well as we know. */
  private apart: number | null = null;
  /** Seconds that we have looked since the last news. */
  private looked = 0;
  private lookedAt = 0;
  private every = 0;

  /** Takes an update; one that says what the last one said is no news. Times in seconds, `steady` of a clock that none sets. */
  take(updatedAt: number, every: number, now: number, steady: number): void {
    this.every = every;
    if (updatedAt === this.updatedAt) return;
    this.updatedAt = updatedAt;
    this.heard += 1;
    this.looked = 0;
    this.lookedAt = steady;
    // What a page holds, and the first that it is told, may have been waiting for it; what comes later comes as it is made.
    if (this.heard > 2) this.apart = Math.min(this.apart ?? Infinity, now - updatedAt);
  }

  look(now: number, steady: number): Look {
    this.looked += Math.min(Math.max(steady - this.lookedAt, 0), LOOK_S);
    this.lookedAt = steady;
    const patience = Math.max(LEAST_S, this.every * MISSED);
    const passed = now - (this.updatedAt ?? now) - (this.apart ?? 0);
    const stale = passed > patience + SKEW_S;
    const silent = this.looked > patience || (stale && this.looked > OPENED_S);
    return { behind: stale || this.apart !== null ? Math.max(passed, this.looked) : this.looked, silent, stale };
  }
}
