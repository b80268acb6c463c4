/** What went wrong, coarsely: each kind maps to one exit code (`cli/exit-codes.ts`). */
export type ErrorKind =
  | "failed"
  | "usage"
  | "not-found"
  | "unauthorised"
  | "unreachable"
  | "build-failed"
  | "incompatible"
  | "interrupted";

/** What a {@link WasmeError} carries beside its message. */
export interface ErrorOptions {
  /** What to type next, one line. */
  readonly hint?: string;
  /** JSON-safe facts for `-o json`; never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** The foreign error this one translates. */
  readonly cause?: unknown;
}

/**
 * An expected failure, told to the user as it stands: one sentence saying what failed and where.
 * `code` is stable and documented (`docs/reference/errors.md`). Anything else that reaches the top is a bug.
 */
export class WasmeError extends Error {
  override readonly name: string = "WasmeError";
  readonly code: string;
  readonly kind: ErrorKind;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(kind: ErrorKind, code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.hint = options.hint;
    this.details = options.details;
  }
}

/** Shorthand for bad input: exit code 2. */
export function usageError(code: string, message: string, options?: ErrorOptions): WasmeError {
  return new WasmeError("usage", code, message, options);
}

/** The `errno` code (`ENOENT`, `ECONNREFUSED`, …) of an error thrown by Node, if it has one. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** One line of text for any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Makes the compiler prove that a union was handled completely. */
export function assertNever(value: never): never {
  throw new TypeError(`unhandled case: ${JSON.stringify(value)}`);
}
