import type { AgentFacts } from '../../agent/local/reports';
import type { Settings } from '../../agent/config/settings';

/**
 * `ok`; `warning`: works, but somebody should look; `ignored`: a finding that the caller asked to leave out of the
 * verdict; `skipped`: could not be judged because something it needs is missing; `failed`: a part does not work;
 * `fatal`: nothing can work before this is mended.
 */
export const CHECK_RESULTS = ['ok', 'warning', 'ignored', 'skipped', 'failed', 'fatal'] as const;
export type CheckResult = (typeof CHECK_RESULTS)[number];

export interface CheckOutcome {
  readonly result: CheckResult;
  /** What was found, in one line. */
  readonly detail: string;
  /** What to do about it; always there when the result is not `ok`. */
  readonly advice?: string;
}

export interface Check {
  /** Heading in docs/reference/checks.md. */
  readonly id: string;
  readonly title: string;
  run(context: CheckContext): Promise<CheckOutcome> | CheckOutcome;
}

export interface FileFacts {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  readonly kind: 'file' | 'folder' | 'device' | 'socket' | 'other';
}

/** The machine, as the checks see it. Everything is read-only. */
export interface Machine {
  /** A short-lived program; `undefined` when it is not installed. */
  run(program: string, args: readonly string[]): Promise<{ status: number; output: string } | undefined>;
  stat(path: string): Promise<FileFacts | undefined>;
  read(path: string): Promise<string | undefined>;
  freeBytes(path: string): Promise<number | undefined>;
  /** User id of a name in the password database. */
  userId(name: string): Promise<number | undefined>;
  resolve(host: string): Promise<readonly string[]>;
  /** Connects by TCP and, with `tls`, verifies the certificate. @returns the problem, `undefined` when all is well. */
  connect(
    host: string,
    port: number,
    tls?: { readonly ca?: string; readonly anyKey?: boolean },
  ): Promise<string | undefined>;
  listFiles(folder: string): Promise<readonly string[]>;
  now(): number;
  interfaces(): readonly { name: string; addresses: readonly { address: string }[] }[];
}

export interface CheckContext {
  readonly machine: Machine;
  readonly settings: Settings;
  readonly facts: AgentFacts;
  /** An agent answered on the control socket. */
  readonly running: boolean;
  /** Version of this tpe-agentctl. */
  readonly version: string;
}

export const ok = (detail: string): CheckOutcome => ({ result: 'ok', detail });

export const finding = (
  result: Exclude<CheckResult, 'ok' | 'ignored'>,
  detail: string,
  advice: string,
): CheckOutcome => ({ result, detail, advice });
