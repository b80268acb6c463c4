import { findHardLimits, findLayout, findMissing } from "./find-limits.ts";
import { findLaterImports, findProblems, findStartCalls } from "./find-obstacles.ts";
import { HOST_RULES } from "./host-rules.ts";
import { compareVersions, HOST_NAMES, type HostName, type HostReason, type HostVerdict } from "./host-verdict.ts";
import type { JudgedModule } from "./judged-module.ts";

/** A host to be judged for, by its newest version or by a given one. */
export interface AskedHost {
  readonly host: HostName;
  readonly version?: string;
}

/** Which hosts load the module, since which version, and why not: in the order asked, or all of them. */
export function judgeHosts(module: JudgedModule, asked: readonly AskedHost[] = []): readonly HostVerdict[] {
  const hosts = asked.length > 0 ? asked : HOST_NAMES.map((host): AskedHost => ({ host }));
  return hosts.map((each) => judge(module, each));
}

function judge(module: JudgedModule, asked: AskedHost): HostVerdict {
  const { history, limits, consumer } = HOST_RULES[asked.host];
  const imports = findLaterImports(module, history);
  const { lost, spare } = findMissing(module, limits);
  return conclude(asked, {
    never: [
      ...findProblems(module, history),
      ...findHardLimits(module, limits),
      ...findLayout(module, consumer, "refuses"),
    ],
    since: [...imports.since, ...findStartCalls(module, history)],
    without: lost,
    spare,
    unknown: [...imports.unknown, ...findLayout(module, consumer, "unknown")],
  });
}

/** What speaks against a module. */
interface Obstacles {
  /** In every version. */
  readonly never: readonly HostReason[];
  /** Until the version that each names. */
  readonly since: readonly HostReason[];
  /** It loads and is without them, and may need them; or hardly does. */
  readonly without: readonly HostReason[];
  readonly spare: readonly HostReason[];
  /** Maybe. */
  readonly unknown: readonly HostReason[];
}

function conclude({ host, version }: AskedHost, obstacles: Obstacles): HostVerdict {
  const { never, since, without, spare, unknown } = obstacles;
  const { title, history } = HOST_RULES[host];
  const base = { host, title, ...(version === undefined ? {} : { asked: version }) };
  const first = since.map((reason) => reason.since ?? "").reduce(newer, history.oldest);
  if (never.length > 0) {
    const evidence = never.every((reason) => reason.evidence === "run") ? "run" : "read";
    return { ...base, verdict: "refused", evidence, reasons: never };
  }
  const evidence = history.evidence(version ?? first);
  const versioned = { ...base, ...(first === "" ? {} : { since: first }), evidence };
  const tooNew = version === undefined ? [] : newerThan(version, history.oldest, since);
  if (tooNew.length > 0) return { ...versioned, verdict: "refused", reasons: tooNew };
  const verdict = unknown.length > 0 ? "unknown" : without.length > 0 ? "limited" : "fits";
  const deciding = since.filter((reason) => reason.since === first);
  return { ...versioned, verdict, reasons: [...unknown, ...without, ...deciding, ...spare] };
}

function newer(a: string, b: string): string {
  return compareVersions(a, b) < 0 ? b : a;
}

/** What came after the version asked about. */
function newerThan(version: string, oldest: string, since: readonly HostReason[]): readonly HostReason[] {
  if (compareVersions(version, oldest) < 0) {
    const message = `is a filter, and those run there since ${oldest}`;
    return [{ rule: "module", message, since: oldest, evidence: "read" }];
  }
  return since.filter((reason) => compareVersions(version, reason.since ?? "") < 0);
}
