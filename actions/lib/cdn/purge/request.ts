/** What is to leave the caches. URLs are absolute and normalised; see `purgeRequest`. */
export interface PurgeRequest {
  readonly urls: readonly string[];
  /** Named as well, and taken along by a prefix: not sent, and looked at afterwards. */
  readonly urlsBelowPrefixes: readonly string[];
  /** Everything that begins with one of these URLs. */
  readonly prefixes: readonly string[];
  readonly hosts: readonly string[];
  /** Values of the header that the CDN keeps as a tag (`Cache-Tag`, `xkey` …). */
  readonly tags: readonly string[];
  readonly isEverything: boolean;
  /** Marked stale and asked for again, and not removed. */
  readonly isSoft: boolean;
}

/** The calls that carry a request out, as data: made before any is sent, printed by a dry run, kept in the report. */
export interface PurgePlan<Body = unknown> {
  readonly calls: readonly PlannedCall<Body>[];
  /** What a person should know before it is sent: cost, what a wildcard takes along. */
  readonly notes: readonly string[];
}

export interface PlannedCall<Body = unknown> {
  /** `purge 100 URLs` */
  readonly summary: string;
  readonly items: readonly string[];
  readonly body: Body;
}

/** One CDN's way to purge: its rules as a pure plan, and the sending of one planned call. */
export interface PurgeProvider<Body = unknown> {
  readonly kind: string;
  /** How long a purge may take to be seen everywhere, in seconds. */
  readonly propagationSeconds: number;
  /** @throws OpsError `CDN_CANNOT` (exit 2) for what this CDN cannot express */
  plan(request: PurgeRequest): PurgePlan<Body>;
  /**
   * Sends one call and waits until the CDN says that it is done, where it says so.
   * @returns the id that the CDN gave it
   * @throws OpsError `CDN_AUTH`, `CDN_NOT_FOUND`, `CDN_REFUSED`, `CDN_LIMITED`, `CDN_UNREACHABLE`
   */
  send(body: Body, signal: AbortSignal): Promise<string | undefined>;
}
