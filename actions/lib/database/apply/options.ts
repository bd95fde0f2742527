/** How carefully a change of indexes goes about a server that others are working on. Times in seconds. */
export interface ApplyOptions {
  /**
   * How long CONCURRENTLY may wait for a lock. Minutes: it waits for every transaction that began before it, and a wait
   * that is cut short leaves an invalid index behind.
   */
  lockTimeoutSeconds: number;
  /** For what blocks others while it waits: ATTACH, ON ONLY. */
  shortLockTimeoutSeconds: number;
  /** The longest a single build may take, by the clock. */
  buildTimeoutSeconds: number;
  /** How long to wait for old transactions and for replicas before the change is put off. */
  patienceSeconds: number;
  /** A transaction that is older than this is waited for before a build begins, and not by the build. */
  oldTransactionSeconds: number;
  /** How often a change is tried in all. */
  attempts: number;
  /** Before the second try about this long; doubled each time, with jitter. */
  retryDelaySeconds: number;
  /** Larger indexes are refused. */
  maxIndexBytes: number;
  /** Stays free on the disk, beside twice the size of the index. */
  reserveBytes: number;
  /** Size of the volume of the database, where nothing measures it. */
  diskBytes?: number | undefined;
  /** No build begins while a replica is further behind than this; one that runs is stopped at `stopReplicaLagSeconds`. */
  replicaLagSeconds: number;
  stopReplicaLagSeconds: number;
  /** No build begins while a slot holds more WAL back than this; one that runs is stopped at twice as much. */
  slotRetainedBytes: number;
  /** How long to wait for another run that has the lock, e.g. a killed one whose build the server is still stopping. */
  otherRunSeconds: number;
  /** How long a server that went away may take to come back. */
  reconnectSeconds: number;
  /** How often progress and guards are looked at. */
  pollSeconds: number;
}

const gib = 1024 ** 3;

export const defaultApplyOptions: ApplyOptions = {
  lockTimeoutSeconds: 300,
  shortLockTimeoutSeconds: 5,
  buildTimeoutSeconds: 4 * 3600,
  patienceSeconds: 300,
  oldTransactionSeconds: 60,
  attempts: 3,
  retryDelaySeconds: 10,
  maxIndexBytes: 50 * gib,
  reserveBytes: gib,
  replicaLagSeconds: 60,
  stopReplicaLagSeconds: 600,
  slotRetainedBytes: 10 * gib,
  otherRunSeconds: 20,
  reconnectSeconds: 60,
  pollSeconds: 1,
};
