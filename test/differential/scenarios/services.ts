import type { Scenario } from "../scenario.ts";

const one = (script: string): Scenario["filters"] => [{ script }];

/** Shared data, queues, metrics, time, foreign functions, log and WASI. */
export const serviceScenarios: readonly Scenario[] = [
  {
    name: "shared-data",
    filters: one(`
rqh: get_data a; set_data a 1 0; get_data a; set_data a 2 0; get_data a; set_data b x 0; get_data b; set_data a 3 1; get_data a; set_data a 4 2; set_data a 4 99; get_data a
rqh: set_data "" empty 0; get_data ""; set_data e "" 0; get_data e; set_data missing x 77; get_data missing; get_data "a\\0"; set_data bin "\\0\\xff" 0; get_data bin
rsh: get_data a; get_data ^4294967280:9; get_data a >4294967290; get_data nope >4294967290; set_data ^4294967280:9 x 0; set_data k ^4294967280:9 0; get_data k`),
    requests: [{}, {}],
  },
  {
    name: "queues",
    filters: one(`
cfg: register_queue q =q
rqh: resolve_queue "" q =r; resolve_queue queues q; resolve_queue other q; resolve_queue "" nope; enqueue $r one; enqueue $r two; enqueue $r ""; enqueue 99 x; enqueue 0 x; dequeue 99; dequeue 0
queue: dequeue $a0
rqh#2: enqueue $r a; dequeue $r; dequeue $r`),
    requests: [{}, {}],
    afterMs: 50,
  },
  {
    name: "queue-from-stream",
    filters: one("rqh: register_queue mine =m; register_queue mine; enqueue $m x; dequeue $m; dequeue $m\nqueue: dequeue $a0"),
    requests: [{}],
    afterMs: 50,
  },
  {
    name: "metrics",
    filters: one(`
rqh: define 0 metrics.counter =c; define 1 metrics.gauge =g; define 2 metrics.histogram =h; define 3 metrics.bad; define 0 metrics.counter; define 1 metrics.gauge; define 0 ""; define 99 x
rqh: increment $c 5; metric $c; increment $c 0; increment $c -1; metric $c; record $c 3; metric $c; record $c -1; metric $c
rqh: increment $g 5; increment $g -2; metric $g; record $g 100; metric $g; increment $g -200; metric $g; record $g -5; metric $g; record $g 7; increment $g 0
rqh: record $h 10; record $h 20; increment $h 1; metric $h; record $h -1; increment $h -1
rqh: metric 999; metric 4000; metric 4001; metric 4002; metric 4003; increment 999 1; increment 4000 1; increment 4001 1; increment 4002 1; increment 4003 1; record 999 1; record 4000 1; record 4001 1; record 4002 1; record 4003 1; metric 0; increment 0 1
rqh: metric $c >4294967290; metric 4000 >4294967290; define 0 ^4294967290:99; define 0 metrics.pointer >4294967290`),
    requests: [{}],
  },
  {
    name: "metrics-across",
    filters: one("cfg: define 0 metrics-across.counter =c; define 1 metrics-across.gauge =g; define 2 metrics-across.histogram =h\nrqh: increment $c 1; metric $c; record $g 7; metric $g; record $h 1\nlog: increment $c 10\ndel: metric $c; metric $g"),
    requests: [{}, {}],
  },
  {
    name: "metric-names",
    filters: one('rqh: define 0 "metric-names.with space" =a; increment $a 1; define 0 "metric-names.UPPER" =b; increment $b 1; define 0 metric-names.a:b =d; increment $d 1; define 0 same.metric-names =c; define 1 same.metric-names =e; increment $c 1; record $e 5; metric $c; metric $e'),
    requests: [{}],
  },
  {
    name: "time",
    filters: one("cfg: now\nrqh: now; now >4294967290; clock_time_get 0 1; clock_time_get 1 1; clock_time_get 2 1; clock_time_get 9 1; clock_res_get 0; clock_res_get 1; clock_res_get 2; clock_time_get 0 1 >4294967290"),
    requests: [{}],
  },
  {
    name: "foreign",
    filters: one(`
rqh: foreign nope x; foreign "" ""; foreign compress hello; foreign compress "" =z; foreign uncompress "not zlib"; foreign uncompress ""
rqh: foreign compress *1000a =c; foreign uncompress $c; foreign clear_route_cache ""; foreign clear_route_cache x; foreign verify_signature x; foreign verify_signature ""; foreign sign x; foreign declare_property x; foreign declare_property ""; foreign set_envoy_filter_state x; foreign set_envoy_filter_state ""
rqh: foreign compress x >4294967290; foreign ^4294967290:9 x; foreign compress ^4294967290:9
cfg: foreign clear_route_cache ""; foreign compress a; foreign nope x`),
    requests: [{}],
  },
  {
    name: "foreign-property",
    filters: one(`
rqh: foreign declare_property "\\x0a\\x04decl"; set_prop decl 1; prop decl; foreign declare_property "\\x0a\\x04decl"; foreign declare_property "\\x0a\\x03ro1\\x10\\x01"; set_prop ro1 a; set_prop ro1 b; prop ro1
rqh: foreign declare_property "\\x0a\\x02ro\\x20\\x01"; set_prop ro a; set_prop ro b; prop ro; foreign declare_property "\\x0a\\x03str\\x10\\x01"; set_prop str text; prop str
rqh: foreign set_envoy_filter_state "\\x0a\\x05my.fs\\x12\\x05value"; prop filter_state.my.fs; prop "filter_state\\0my.fs"; prop my.fs`),
    requests: [{}],
  },
  {
    name: "log-levels",
    filters: one('rqh: log 0 zero; log 1 one; log 2 two; log 3 three; log 4 four; log 5 five; log 6 six; log 99 many; log -1 minus; log 2 ""; log 2 "two\\nlines"; log 2 "nul\\0in"; log 2 ^4294967290:9; log_level; log_level >4294967290'),
    requests: [{}],
  },
  {
    name: "fd-write",
    filters: one('rqh: fd_write 1 hello; fd_write 2 error; fd_write 1 "line\\n"; fd_write 1 "two\\n\\n"; fd_write 1 a b c; fd_write 1 "a\\nb\\n"; fd_write 3 x; fd_write 0 x; fd_write 1 ""; fd_write 1; fd_write 1 ^4294967290:9; fd_write 1 "\\n"'),
    requests: [{}],
  },
  {
    name: "wasi",
    filters: [{
      environment: { KEY: "value", OTHER: "two" },
      script: `
rqh: environ_sizes_get; environ_get; args_sizes_get; random_get 16; random_get 65536; random_get 65537; random_get 0; sched_yield; poll_oneoff 1; poll_oneoff 0; fd_close 1; fd_close 9; fd_fdstat_get 0; fd_fdstat_get 1; fd_fdstat_get 2; fd_fdstat_get 3
rqh: fd_fdstat_set_flags 1 0; fd_prestat_get 3; fd_prestat_dir_name 3 9; fd_read 0 1; fd_seek 1 0 0; fd_sync 1; fd_tell 1; path_unlink_file 3 4; sock_send 1 1 0; proc_exit 3; wasi; fd_sync 9; fd_tell 9; fd_seek 9 0 0`,
    }],
    requests: [{}],
  },
  {
    name: "restricted",
    filters: [{
      allowedCapabilities: ["proxy_log", "proxy_get_buffer_bytes", "proxy_get_current_time_nanoseconds", "proxy_on_context_create", "proxy_on_vm_start", "proxy_on_configure", "proxy_on_request_headers", "proxy_on_memory_allocate", "fd_write", "proxy_get_header_map_value"],
      script: "rqh: get 0 :path; add 0 a b; set_data a b 0; random_get 4; fd_write 1 hi; clock_res_get 0; proc_exit 1; done\nrsh: get 2 :status\nlog: get 0 :path",
    }],
    requests: [{}],
  },
  { name: "unrestricted-by-empty-list", filters: [{ allowedCapabilities: [], script: "rqh: get 0 :path" }], requests: [{}] },
  {
    name: "pointers",
    filters: one(`
rqh: get 0 ^4294967290:9; get 0 :path >4294967290; get 0 nope >4294967290; add 0 ^4294967290:9 x; add 0 a ^4294967290:9; replace 0 a ^4294967290:9; remove 0 ^4294967290:9; pairs 0 >4294967290; set_pairs 0 ^4294967290:9; map_size 0 >4294967290; map_size 9 >4294967290
rqh: local 403 ^4294967290:9 b {} -1; local 403 d ^4294967290:9 {} -1; local 403 d b ^4294967290:9 -1; http ^4294967290:9 {} "" {} 1; http callout ^4294967290:9 "" {} 1; http callout {} ^4294967290:9 {} 1; http callout {} "" ^4294967290:9 1
rqh: buf 7 0 9 >4294967290; buf 6 0 9 >4294967290; buf_status 6 >4294967290; set_buf 0 0 0 ^4294967290:9; status >4294967290; register_queue ^4294967290:9; resolve_queue ^4294967290:9 q; resolve_queue "" ^4294967290:9; enqueue 1 ^4294967290:9; grpc_call ^4294967290:9 s m {} "" 1; grpc_send 5 ^4294967290:9 0; random_get 4; environ_sizes_get >4294967290
rqb: buf 0 0 9 >4294967290; set_buf 0 0 0 ^4294967290:9; buf 0 0 9; buf_status 0 >4294967290
rqh: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000 >4294967290; get 0 ^65536:0; get 0 ^4294967295:0; register_queue q >4294967290`),
    requests: [{ method: "POST", body: ["abc"] }],
    afterMs: 50,
  },
  { name: "memory", filters: one("rqh: grow 1; grow 100000; grow 0; get 0 :path"), requests: [{}] },
]; // prettier-ignore
