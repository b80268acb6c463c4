import type { RequestSpec, Scenario } from "../scenario.ts";

const asking = (...things: string[]): RequestSpec[] =>
  things.map((thing) => ({
    path: `/${thing}`,
    headers: [
      ["x-do", thing],
      ["accept", "one"],
    ],
  }));
const commands = (...things: string[]): RequestSpec[] =>
  things.map((thing) => ({ path: `/${thing}`, headers: [["x-command", thing]] }));
const post: RequestSpec = { method: "POST", body: ["a quick ", "brown fox and ", "a lazy dog"], patienceMs: 3000 };

/** Filters written with SDKs, in every language there is; of their logs the lines of streams are compared. */
export const languageScenarios: readonly Scenario[] = [
  ...(["c-hello", "cpp-hello", "rust-hello", "rust-hello-unknown", "go-hello", "as-hello"] as const).flatMap((module) => [
    { name: module, filters: [{ module, rootId: "add_header", script: "" }], requests: [{}, { protocol: "http2" } as const, post] },
    { name: `${module}-configured`, filters: [{ module, rootId: "add_header", script: "Gruß" }], requests: [{}] },
  ]),
  ...(["rust-tour", "rust-tour-unknown"] as const).flatMap((module): Scenario[] => [
    { name: module, filters: [{ module, script: "callout", environment: { KEY: "value" } }], requests: [...asking("nothing", "ask", "deny", "reply", "headers", "data", "data"), post] },
    { name: `${module}-http2`, filters: [{ module, script: "callout" }], upstream: { protocol: "http2", body: ["abc", "def"], trailers: [["x-t", "1"]] }, requests: [{ ...post, protocol: "http2", trailers: [["x-t", "1"]] }] },
    { name: `${module}-panic`, filters: [{ module, script: "" }], requests: asking("nothing", "panic", "nothing") },
    { name: `${module}-no-cluster`, filters: [{ module, script: "nowhere" }], requests: [{ ...asking("ask")[0], patienceMs: 200 }] },
  ]),
  { name: "rust-tour-print", filters: [{ module: "rust-tour", script: "", environment: { KEY: "value" } }], requests: asking("print") },
  { name: "as-odds", filters: [{ module: "as-odds", rootId: "odds", script: "" }], requests: commands("nothing", "headers", "pairs", "close", "foreign") },
  { name: "as-odds-trap", filters: [{ module: "as-odds", rootId: "odds", script: "" }], requests: commands("nothing", "trap", "nothing") },
  { name: "as-odds-tcp", requests: [], filters: [{ module: "as-odds", rootId: "odds", script: "" }], tcp: [{ send: ["abc", "def"], answers: [{ afterBytes: 6, data: "all" }] }] },
  { name: "as-body", filters: [{ module: "as-body-rewrite", rootId: "body_rewrite", script: "dog" }], upstream: { body: ["a cat, ", "another cat"] }, requests: [{}, { protocol: "http2" }, post] },
  { name: "as-access", filters: [{ module: "as-access", rootId: "access", script: "callout" }], requests: [{}, { path: "/other" }] },
  { name: "as-two", filters: [{ module: "as-two-filters", rootId: "first", script: "1" }, { module: "as-two-filters", rootId: "second", script: "2" }], requests: [{}] },
]; // prettier-ignore
