import type { Scenario } from "../scenario.ts";

const one = (script: string): Scenario["filters"] => [{ script }];

/** Contexts and VMs: how they begin and end, timers, traps, failure policies, other ABI versions. */
export const lifecycleScenarios: readonly Scenario[] = [
  {
    name: "chain-order",
    filters: [{ script: "rqh: ret 0" }, { script: "rqh: ret 0" }, { script: "rqh: ret 0" }],
    requests: [{}, { method: "POST", body: ["abc"] }],
  },
  { name: "chain-answered", filters: [{ script: "rqh: local 403 d b {} -1" }, { script: "rqh: ret 0\nnew: get 0 :path\nlog: get 0 :path; get 2 :status" }], requests: [{}] },
  { name: "chain-stopped", filters: [{ script: "rqh: ret 1" }, { script: "rqh: ret 0" }], requests: [{ patienceMs: 200 }] },
  {
    name: "chain-headers",
    filters: [{ script: "rqh: add 0 x-a 1\nrsh: get 2 x-b; get 2 x-a" }, { script: "rqh: get 0 x-a; remove 0 x-a; add 0 x-b 2\nrsh: add 2 x-b 1" }],
    requests: [{}],
  },
  { name: "stream-done", filters: one("done: ret 0; done\nroot_done: ret 0; done; done"), requests: [{}] },
  { name: "done-elsewhere", filters: one("cfg: done\nrqh: done\nlog: done\nroot_done: done"), requests: [{}] },
  { name: "root-never-done", filters: one("root_done: ret 0"), requests: [{}] },
  { name: "tick", filters: one("cfg: set_tick 30\ntick@1: get 0 :path; prop request.path; now\ntick@3: set_tick 0"), requests: [{}], beforeMs: 400 },
  { name: "tick-from-stream", filters: one("rqh: set_tick 100\ntick@2: set_tick 0"), requests: [{}], afterMs: 400 },
  {
    name: "tick-resumes",
    filters: one("rqh: set_tick 30; ret 1\ntick: effective $stream; get 0 :path; add 0 x-tick 1; continue 0; set_tick 0"),
    requests: [{}, { method: "POST", body: ["abc"] }],
  },
  {
    name: "effective",
    filters: one("rqh: effective $root; get 0 :path; add 0 a b; prop request.path; log 2 from-root; continue 0; local 403 d b {} -1; effective $ctx; get 0 :path; effective 99; get 0 :path; effective 0\nrqh: get 0 :path; effective $root\nrsh: get 2 :status"),
    requests: [{}],
  },
  {
    name: "other-stream",
    filters: one("rqh#1: ret 1\nrqh#2: effective 2; get 0 :path; get 0 x-a; prop request.path; add 0 x-seen 1; continue 0; effective $ctx; get 0 :path"),
    requests: [{ path: "/one", headers: [["x-a", "1"]], background: true }, { path: "/two" }],
  },
  { name: "trap-request-headers", filters: one("rqh#1: trap"), requests: [{}, {}] },
  { name: "trap-request-body", filters: one("rqb#1@2: trap"), requests: [{ method: "POST", body: ["abc", "def", "ghi"] }, {}] },
  { name: "trap-response-headers", filters: one("rsh#1: trap"), requests: [{}, {}] },
  { name: "trap-response-body", filters: one("rsb#1@1: trap"), upstream: { body: ["abc", "def"] }, requests: [{}, {}] },
  { name: "trap-response-body-http2", filters: one("rsb#1@1: trap"), upstream: { body: ["abc", "def"] }, requests: [{ protocol: "http2" }, { protocol: "http2" }] },
  { name: "trap-log", filters: one("log: trap"), requests: [{}, {}] },
  { name: "trap-new", filters: one("new: trap"), requests: [{}, {}] },
  { name: "trap-callout", filters: one('rqh: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1\nhcr: trap'), requests: [{ patienceMs: 300 }, {}] },
  { name: "trap-open", filters: [{ failurePolicy: "open", script: "rqh#1: trap" }], requests: [{}, {}] },
  { name: "trap-open-response", filters: [{ failurePolicy: "open", script: "rsh#1: trap" }], requests: [{}, {}] },
  { name: "trap-reload", filters: [{ failurePolicy: "reload", script: "rqh: get 0 :path; get 0 x-trap\nrqh@1: get 0 :path\nrqh#3: trap" }], requests: [{}, {}, {}, {}] },
  // A VM of some age is made anew for the very next request, and then not again for a second.
  {
    name: "trap-reload-old",
    filters: [{ failurePolicy: "reload", script: "rqh: get 0 :path; trap" }],
    requests: [{}, {}, {}],
    beforeMs: 2000,
  },
  { name: "trap-two-plugins", filters: [{ script: "rqh: ret 0" }, { script: "rqh#2: trap" }], requests: [{}, {}] },
  { name: "recursion", filters: one("rqh#1: recurse"), requests: [{}, {}] },
  {
    name: "abi-0-1-0",
    filters: [{
      module: "c-script-0.1.0",
      script: `
cfg: configuration
rqh: get 0 nope; get 0 :path; configuration; replace 0 x-e ""; get 0 x-e; clear_route_cache; buf 7 0 9; get 1 a; get 2 a; map_size 2; pairs 2
rqb@1: ret 1
rsh: get 2 nope; get 0 :path; pairs 0
rsb: buf 1 0 9
log: get 0 nope; get 0 :path; get 3 x; configuration
done: configuration`,
    }],
    requests: [{ method: "POST", body: ["abc", "def"] }],
  },
  {
    name: "abi-0-1-0-paused",
    filters: [{
      module: "c-script-0.1.0",
      script: 'rqh: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1\nhcr@1: effective $stream; continue_request\nrsh: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1\nhcr@2: effective $stream; continue_response; continue_request\ncfg: continue_request; continue_response; clear_route_cache',
    }],
    requests: [{}],
  },
  { name: "abi-0-2-0", filters: [{ module: "c-script-0.2.0", script: "cfg: buf 7 0 4\nrqh: get 0 nope; buf 7 0 4" }], requests: [{}] },
  { name: "both-allocators", filters: [{ module: "c-script-malloc", script: "rqh: get 0 :path; allocations" }], requests: [{}] },
  { name: "start-entry", filters: [{ module: "c-script-start", script: "rqh: get 0 :path; allocations" }], requests: [{}] },
  { name: "no-root-id", filters: [{ rootId: "", script: "rqh: prop plugin_root_id; prop plugin_name; prop plugin_vm_id; log 2 hello" }], requests: [{}] },
  { name: "no-configuration", filters: [{ script: "" }], requests: [{}] },
  {
    name: "two-roots",
    filters: [
      { rootId: "first", script: "rqh: set_data k from-first 0; resolve_queue \"\" q =q; enqueue $q item; prop plugin_root_id" },
      { rootId: "second", script: "cfg: register_queue q\nqueue: dequeue $a0\nrqh: get_data k; prop plugin_root_id; effective 1; log 2 as-first; prop plugin_root_id" },
    ],
    requests: [{}],
    afterMs: 50,
  },
  {
    name: "two-vms",
    filters: [
      {
        ownVm: "b",
        script:
          'rqh: set_data k here 0; get_data k; resolve_queue two-vms q =q; enqueue $q item; resolve_queue "" q; define 0 two-vms.shared =c; increment $c 1; metric $c; set_prop p 1',
      },
      {
        script:
          "cfg: register_queue q\nqueue: dequeue $a0\nrqh: get_data k; prop plugin_vm_id; define 0 two-vms.shared =c; increment $c 5; metric $c; prop p",
      },
    ],
    requests: [{}],
    afterMs: 50,
  },
  { name: "same-root-id", filters: [{ rootId: "same", script: "rqh: ret 0" }, { rootId: "same", script: "rqh: get 0 :path" }], requests: [{}] },
]; // prettier-ignore
