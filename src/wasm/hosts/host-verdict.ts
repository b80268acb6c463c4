/** The hosts whose rules are known well enough to be followed. */
export const HOST_NAMES = ["envoy", "istio", "higress", "google", "nginx"] as const;

/** A name of {@link HOST_NAMES}. */
export type HostName = (typeof HOST_NAMES)[number];

/** `run`: a module was put before that very version. `read`: its sources or documentation say so. */
export type Evidence = "run" | "read";

/** What of a module a host judges. */
export type HostRule = "module" | "import" | "start" | "call" | "callback" | "size" | "memory" | "layout";

/** Why a host refuses, does without, or needs a newer version. JSON-safe. */
export interface HostReason {
  readonly rule: HostRule;
  /** The import (`env.proxy_http_call`), export or limit it is about. */
  readonly subject?: string;
  /** A clause: `imports wasi_snapshot_preview1.fd_pread, which it has since 1.39`. */
  readonly message: string;
  /** The first version that is content; absent when there is none, or it is not known. */
  readonly since?: string;
  /** What to do about it. */
  readonly hint?: string;
  readonly evidence: Evidence;
}

/** Whether one host loads a module. JSON-safe. */
export interface HostVerdict {
  readonly host: HostName;
  /** As people call it. */
  readonly title: string;
  /**
   * `fits`: it loads and has everything. `limited`: it loads, but lacks something the module may use. `refused`: it does not
   * load. `unknown`: nothing speaks against it but what is not known of this host.
   */
  readonly verdict: "fits" | "limited" | "refused" | "unknown";
  /** The version that was asked about; absent: the newest known one. */
  readonly asked?: string;
  /** The first version that loads the module; absent when none does, and for hosts without versions. */
  readonly since?: string;
  /** How the first version is known. */
  readonly evidence: Evidence;
  /** Of the verdict, and of `since` where that is not the oldest version. */
  readonly reasons: readonly HostReason[];
}

/** True when a filter may be sent there: it loads, maybe with limits, or nothing known speaks against it. */
export function loads({ verdict }: HostVerdict): boolean {
  return verdict !== "refused";
}

/** Negative, zero or positive, by the numbers in the two, from left to right: `1.9` is before `1.36`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(version: string): readonly number[] {
  return (version.match(/\d+/gu) ?? []).map(Number);
}
