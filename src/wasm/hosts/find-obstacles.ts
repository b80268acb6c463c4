import { hostImport, PROXY_MODULE } from "../host-imports.ts";
import type { ImportSummary, ModuleProblem } from "../module-report.ts";
import { formatType } from "../types.ts";
import { ENVOY, type HostHistory, type OwnImport } from "./host-history.ts";
import type { HostReason } from "./host-verdict.ts";
import type { JudgedModule } from "./judged-module.ts";

/** What no version of the host takes: the module's problems, but for imports that only this host has. */
export function findProblems({ report }: JudgedModule, history: HostHistory): readonly HostReason[] {
  const own = (item: ModuleProblem): boolean =>
    item.code === "MODULE_UNKNOWN_IMPORT" &&
    report.imports.some((each) => subjectOf(each) === item.subject && ownImport(history, each) !== undefined);
  return report.problems
    .filter((item) => !own(item))
    .map((item) => ({
      rule: item.code === "MODULE_UNKNOWN_IMPORT" || item.code === "MODULE_IMPORT_TYPE" ? "import" : "module",
      ...(item.subject === undefined ? {} : { subject: item.subject }),
      message: item.message,
      ...(item.hint === undefined ? {} : { hint: item.hint }),
      evidence: history === ENVOY ? "run" : "read",
    }));
}

/** Imports that came after the host's first version (`since`), and those of which that is not known. */
export function findLaterImports(
  { report }: JudgedModule,
  history: HostHistory,
): { readonly since: readonly HostReason[]; readonly unknown: readonly HostReason[] } {
  const since: HostReason[] = [];
  const unknown: HostReason[] = [];
  for (const item of report.imports) {
    const own = ownImport(history, item);
    // Imports that nobody has are problems of the module.
    if (own === undefined && (item.kind !== "function" || hostImport(item.module, item.name) === undefined)) continue;
    const subject = subjectOf(item);
    const version = own?.since ?? history.importSince(item.module, item.name);
    if (version === undefined) {
      const message = `imports ${subject}, and it is not known whether it is offered`;
      unknown.push({ rule: "import", subject, message, evidence: "read" });
    } else if (version !== history.oldest) {
      const message = `imports ${subject}, offered since ${version}`;
      const evidence = history.evidence(version);
      since.push({ rule: "import", subject, message, since: version, ...hintFor(item), evidence });
    }
  }
  return { since, unknown };
}

/** What start code was seen to call and may not in the host's first version. */
export function findStartCalls({ startCalls }: JudgedModule, history: HostHistory): readonly HostReason[] {
  return startCalls.flatMap((subject) => {
    const dot = subject.indexOf(".");
    const since = history.startCallSince(subject.slice(0, dot), subject.slice(dot + 1));
    const message = `calls ${subject} before it is started, allowed since ${since}`;
    const reason: HostReason = { rule: "start", subject, message, since, evidence: history.evidence(since) };
    return since === history.oldest ? [] : [reason];
  });
}

function subjectOf(item: ImportSummary): string {
  return `${item.module}.${item.name}`;
}

function ownImport(history: HostHistory, item: ImportSummary): OwnImport | undefined {
  const own = item.module === PROXY_MODULE ? history.own.get(item.name) : undefined;
  return own !== undefined && formatType(own.type) === item.type ? own : undefined;
}

/** Which toolchain or library asks for a rare import, as far as that helps. */
function hintFor({ name }: ImportSummary): Pick<HostReason, "hint"> {
  const hint = HINTS.find(([test]) => test.test(name))?.[1];
  return hint === undefined ? {} : { hint };
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /^(?:sched_yield|poll_oneoff|fd_fdstat_set_flags)$/u,
    "Go needs it; for older proxies build with Rust, C++ or AssemblyScript",
  ],
  [/^emscripten_notify_memory_growth$/u, "for older proxies link without -sALLOW_MEMORY_GROWTH"],
  [/^sock_/u, "a library that opens sockets pulls it in: for older proxies leave it out"],
  [/^(?:path_|fd_)/u, "a library that reads files pulls it in: for older proxies leave it out"],
];
