import type { ErrorKind } from "../domain/errors.ts";

/** The exit code of each kind of failure, with its meaning: the one table (`docs/reference/exit-codes.md`). */
export const EXIT_CODES: Readonly<Record<ErrorKind, { readonly code: number; readonly meaning: string }>> = {
  failed: {
    code: 1,
    meaning: "the operation failed: altered or truncated content, full or read-only disk, conflict after retries",
  },
  usage: {
    code: 2,
    meaning:
      "bad usage or invalid input: flags, references, unreadable input files, a folder that is not empty, no kubeconfig",
  },
  "not-found": {
    code: 3,
    meaning: "not found: unknown image, a registry's 404, namespace, no workload matched",
  },
  unauthorised: { code: 4, meaning: "unauthorised: 401 or 403 of a registry or of the cluster" },
  unreachable: {
    code: 5,
    meaning: "unreachable: connection refused, unknown host, time-out, or busy (429, 5xx) after retries",
  },
  "build-failed": { code: 6, meaning: "the compiler failed" },
  incompatible: {
    code: 7,
    meaning:
      "incompatible: a component, no ABI marker, unknown import, unknown layout, or a kind the cluster does not serve",
  },
  interrupted: { code: 130, meaning: "interrupted by Ctrl-C (130) or terminated (143)" },
};

/** Exit code of a bug in wasme itself. */
export const EXIT_BUG = 70;
