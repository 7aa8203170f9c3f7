/** What a command may touch of its process; a test gives its own. */
export interface Streams {
  readonly out: {
    write(text: string): unknown;
    readonly isTTY?: boolean;
    readonly rows?: number;
    readonly columns?: number;
  };
  readonly err: { write(text: string): unknown };
  /** Asks whoever sits at the terminal, without showing what is typed; absent where nobody does. */
  readonly ask?: (question: string) => Promise<string | undefined>;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Sets the exit code: 0 ok, 1 something failed, 2 wrong usage. */
  exit(code: number): void;
}
