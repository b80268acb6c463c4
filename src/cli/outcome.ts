import type { Style } from "../platform/terminal.ts";

/** The result of a command, in every form it may be asked for; printed once, at the end, on stdout. */
export interface Outcome {
  /** `-o json` and `-o yaml`: a documented, versioned value. */
  readonly json: unknown;
  /** `-o text`: may be empty. No trailing newline. */
  readonly text: (style: Style, width: number) => string;
  /** `-q` and `-o name`: bare identifiers, one per line. */
  readonly names: readonly string[];
  /** Kubernetes objects: `-o yaml` prints one document each, `-o json` a `v1` List of them. */
  readonly documents?: readonly unknown[];
  /** The documents as YAML are its text form too: for objects that are piped on. */
  readonly preferYaml?: boolean;
  /** Printed raw on stdout instead of all of the above but `-o json` (`--out -`). */
  readonly raw?: string;
  /** 0 when absent. */
  readonly exitCode?: number;
}

/** Tags a result with its kind and version: the `-o json` contract (`docs/reference/json.md`). */
export function versioned<T extends object>(kind: string, value: T): { kind: string; version: 1 } & T {
  return { kind, version: 1, ...value };
}

/**
 * The end of a program that runs until it is told to end: the signal decides its exit code, and it has no result. Throws
 * the signal's reason.
 */
export function interrupted(signal: AbortSignal): never {
  signal.throwIfAborted();
  throw new TypeError("a program that runs until it is told to end has ended by itself");
}
