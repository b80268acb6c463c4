import type { ConsumerVerdict } from "../../domain/layout-consumers.ts";
import { PROXY_MODULE } from "../host-imports.ts";
import type { HostLimits } from "./host-limits.ts";
import type { HostReason } from "./host-verdict.ts";
import type { JudgedModule } from "./judged-module.ts";

/** Limits of size and memory the module is above, and modules of imports the host does not offer at all. */
export function findHardLimits(module: JudgedModule, limits: HostLimits | undefined): readonly HostReason[] {
  if (limits === undefined) return [];
  return [...tooLarge(module, limits), ...tooMuchMemory(module, limits), ...notServed(module, limits)];
}

/** What of a module a host is without: `lost` is used for all we know, `spare` is there because an SDK puts it in always. */
export interface Missing {
  readonly lost: readonly HostReason[];
  readonly spare: readonly HostReason[];
}

/** Calls and callbacks the host is without, of those the module has. */
export function findMissing(module: JudgedModule, limits: HostLimits | undefined): Missing {
  if (limits === undefined) return { lost: [], spare: [] };
  const { imports, callbacks } = module.report;
  const names = imports.flatMap((item) => (item.module === PROXY_MODULE ? [item.name] : []));
  const absent = names.filter((name) => limits.calls.has(name));
  const isSeen = (name: string): boolean => module.calls.includes(`${PROXY_MODULE}.${name}`);
  const takesAll = names.length >= MANY_IMPORTS;
  const silent = hasEveryCallback(callbacks) ? [] : callbacks.filter((name) => limits.callbacks.has(name));
  return {
    lost: [
      ...absent.filter(isSeen).map((name) => callReason(name, `calls ${name}, which fails there`)),
      ...(takesAll ? [] : absent.filter((name) => !isSeen(name)).map(importReason)),
      ...silent.map((name): HostReason => {
        const message = `exports ${name}, which is not called there`;
        return { rule: "callback", subject: name, message, evidence: "read" };
      }),
    ],
    spare: takesAll ? absent.filter((name) => !isSeen(name)).map(importReason) : [],
  };
}

/** Some SDKs import whatever there is, and then this many and more. */
const MANY_IMPORTS = 25;

/** Some SDKs export the callbacks of HTTP and TCP alike, and nobody writes a filter for both. */
function hasEveryCallback(callbacks: readonly string[]): boolean {
  return callbacks.includes("proxy_on_request_headers") && callbacks.includes("proxy_on_new_connection");
}

function importReason(name: string): HostReason {
  return callReason(name, `imports ${name}, which fails there`);
}

function callReason(name: string, message: string): HostReason {
  return { rule: "call", subject: `${PROXY_MODULE}.${name}`, message, evidence: "read" };
}

/** What a consumer says to the image's layout, when that is `verdict`. */
export function findLayout(
  module: JudgedModule,
  consumer: string | undefined,
  verdict: Exclude<ConsumerVerdict["verdict"], "accepts">,
): readonly HostReason[] {
  const found = module.layout?.find((each) => each.consumer === consumer);
  if (found?.verdict !== verdict) return [];
  const why = found.reason === undefined ? "" : `: ${found.reason}`;
  const message = verdict === "refuses" ? `is in an image it refuses${why}` : `is in an image it may refuse${why}`;
  return [{ rule: "layout", message, hint: "wasme convert REF NEW --format compat", evidence: "read" }];
}

function tooLarge({ report, configSize }: JudgedModule, { maxBytes }: HostLimits): readonly HostReason[] {
  const bytes = report.size + configSize;
  if (maxBytes === undefined || bytes <= maxBytes) return [];
  const message = `is ${bytes} bytes long with its configuration, and ${maxBytes} are allowed`;
  // Go's runtime is most of such a module, and names are a small part of it.
  const smaller =
    report.origin.language === "go" ? "write it in TinyGo, Rust or C++: Go's own runtime is too large" : STRIP;
  return [{ rule: "size", message, hint: smaller, evidence: "read" }];
}

const STRIP = "strip it and optimise for size";

function tooMuchMemory({ report }: JudgedModule, { maxMemoryPages }: HostLimits): readonly HostReason[] {
  const pages = report.memory?.min ?? 0;
  if (maxMemoryPages === undefined || pages <= maxMemoryPages) return [];
  const allowed = `${maxMemoryPages} are allowed (${maxMemoryPages / PAGES_PER_MIB} MiB)`;
  const message = `starts with ${pages} pages of memory, and ${allowed}`;
  return [{ rule: "memory", message, hint: "lower the linker's initial memory", evidence: "read" }];
}

const PAGES_PER_MIB = 16;

function notServed({ report }: JudgedModule, limits: HostLimits): readonly HostReason[] {
  const names = new Set(report.imports.map((item) => item.module).filter((name) => limits.modules.has(name)));
  return [...names].map((name) => ({
    rule: "import",
    subject: name,
    message: `imports from ${name}, which is not offered there`,
    hint: "build it with an SDK or compiler that imports from wasi_snapshot_preview1",
    evidence: "read",
  }));
}
