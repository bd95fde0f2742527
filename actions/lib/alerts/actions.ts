import type { AlertState } from './state.ts';

/** One alert as it is announced somewhere: an issue, or what a webhook was told. */
export interface ExistingAlert {
  /** Of the issue. */
  number: number;
  isOpen: boolean;
  state: AlertState;
}

/** A breach that is not announced yet: too young, or kept quiet. */
export interface Pending {
  since: string;
}

export interface Existing {
  /** In any order. */
  alerts: readonly ExistingAlert[];
  /** By key. */
  pending: Readonly<Record<string, Pending>>;
}

/** Why a comment is written: people are told by it, and not by an edit. */
export type Reason = 'reopened' | 'severity' | 'repeat' | 'joined' | 'recovered' | 'merged';

/** What is to be done, each with the state that is true when it is done. */
export type AlertAction =
  | { kind: 'open'; state: AlertState }
  | { kind: 'reopen'; number: number; state: AlertState }
  /** The body alone. */
  | { kind: 'edit'; number: number; state: AlertState }
  | { kind: 'comment'; number: number; state: AlertState; reason: Reason; before: AlertState }
  /** Without a comment when it is kept quiet. */
  | { kind: 'close'; number: number; state: AlertState; isQuiet: boolean }
  /** A twin of an older one. */
  | { kind: 'merge'; number: number; state: AlertState; into: number }
  | { kind: 'remember'; key: string; pending: Pending }
  | { kind: 'forget'; key: string };
