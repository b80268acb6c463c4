import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { need } from "../components/require-component.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { ENDLESS, failuresOf, rawFilter, runWith, testFolder } from "./test-support.ts";

const AUTH = `
    config: |
      rqh: http auth-cluster {":path": /check, ":method": GET, ":authority": a} "" {} 500; ret 1
      hcr: get 6 x-user; effective $stream; add 0 x-user jo; continue 0`;

describe("one exchange", () => {
  test("what came is held against what was expected, and every difference is told", async (context) => {
    const results = await runWith(
      context,
      "c-hello",
      `
tests:
  - name: right
    config: Jo
    request: {path: /a, headers: {x-one: [1, 2]}, body: hällo}
    upstream: {status: 201, body: "{\\"a\\": [1]}", headers: {set-cookie: [a, b]}}
    expect:
      upstream:
        method: POST
        path: {prefix: /a, suffix: a, contains: "/", matches: "^/.$", not: /b}
        headers: {x-one: ["1", 2], x-none: {absent: true}, :authority: example.com, content-length: 6}
        body: hällo
      response:
        status: 201
        headers: {hello: Jo, set-cookie: [a, b], server: envoy}
        body: {json: {a: [1]}}
  - name: wrong
    request: {path: /a, method: GET}
    upstream: {body: hi}
    expect:
      upstream: {method: PUT, headers: {x-none: 1}}
      response: {status: 404, headers: {hello: [there, here]}, body: {base64: aGg=}}
      paused: [request body]
      log: [{contains: hello}]
      metrics: {none: 1}
      shared: {key: value}
`,
    );
    expect(failuresOf(results)).toEqual([
      'wrong: status is "200", expected "404"',
      'wrong: header hello is ["world"], expected ["there", "here"]',
      'wrong: body is "hi", expected base64 aGg=',
      'wrong: upstream method is "GET", expected "PUT"',
      'wrong: upstream header x-none is not there, expected "1"',
      "wrong: the stream stood still nowhere, expected request body",
      'wrong: the log holds no line that contains "hello"',
      "wrong: metric none is not there, expected 1",
      'wrong: shared data key is not there, expected "value"',
    ]);
    expect(results.map(({ status, line }) => [status, line])).toEqual([
      ["passed", 4],
      ["failed", 18],
    ]);
    expect(results[1]?.trace.some((event) => event.type === "callback")).toBe(true);
  });

  test("bodies end as the protocol ends them", async (context) => {
    const results = await runWith(
      context,
      "c-script",
      `
tests:
  - name: http1
    request: {body: [{chunk: abc}, {chunk: def}]}
    upstream: {body: ghi}
    expect: {log: [{contains: 'rqb #2 3 0'}, {contains: 'rqb #2 3 0'}, {contains: 'rqb #2 0 1'}, {contains: 'rsb #2 3 0'}, {contains: 'rsb #2 0 1'}]}
  - name: http2
    request: {protocol: http2, body: [{chunk: abc}, {chunk: def}]}
    expect: {log: [{contains: 'rqb #2 3 0'}, {contains: 'rqb #2 3 1'}]}
  - name: trailers
    request: {body: abc, trailers: {a: b}}
    upstream: {body: ghi, trailers: {c: d}}
    expect:
      log: [{contains: 'rqb #2 3 0'}, {contains: 'rqt #2 1'}, {contains: 'rsb #2 3 0'}, {contains: 'rst #2 1'}, {matches: "b #2 . 1", absent: true}]
      upstream: {trailers: {a: b}}
      response: {trailers: {c: d}}
  - name: nothing
    request: {method: HEAD}
    upstream: {body: ghi}
    expect: {log: [{contains: 'rqh #2 6 1'}, {matches: "rsh #2 \\\\d 1"}]}
`,
    );
    expect(failuresOf(results)).toEqual([]);
  });
});

describe("callouts", () => {
  test("are answered in virtual time, in order, and held against what was announced", async (context) => {
    const results = await runWith(
      context,
      "c-script",
      `
tests:
  - name: late${AUTH}
    request: {path: /secret, protocol: http2, body: [{chunk: "he"}, {chunk: "llo", after: 10ms}], trailers: {x-sum: "1"}}
    callouts:
      - {to: auth-cluster, expect: {path: /check, timeout: 500ms}, answer: {after: 120ms, headers: {x-user: jo}}}
    expect:
      paused: [request headers]
      upstream: {headers: {x-user: jo}, body: hello, trailers: {x-sum: 1}}
      response: {status: 200}
  - name: wrong path${AUTH}
    request: {}
    callouts: [{to: auth-cluster, expect: {headers: {":path": /other}}}]
  - name: another one${AUTH}
    request: {}
    callouts: [{to: audit}]
  - name: timeout${AUTH}
    request: {}
    callouts: [{to: auth-cluster, answer: {fail: timeout}}]
    expect: {log: [{contains: "hcr #1 4 3"}], upstream: {headers: {x-user: jo}}}
  - name: reset${AUTH}
    request: {}
    callouts: [{to: auth-cluster, answer: {fail: reset}}]
    expect: {response: {status: 200}}
  - name: no endpoint
    config: 'rqh: http auth-cluster {":path": /check, ":method": GET, ":authority": a} "" {} 500'
    request: {}
    callouts: [{to: auth-cluster, answer: {fail: no-endpoint}}]
    expect: {log: [{contains: "-> 10"}]}
  - name: while it starts
    config: 'cfg: http a {":path": /x, ":method": GET, ":authority": a} "" {} 0'
    callouts: [{to: a, answer: {status: 204}}]
    expect: {log: [{contains: hcr}]}
`,
    );
    expect(failuresOf(results)).toEqual([
      'wrong path: callout to auth-cluster: header :path is "/check", expected "/other"',
      "another one: callout to auth-cluster, but the next one announced is to audit",
      "another one: the stream was never resumed: it stands still in request headers, and no chunk, callout or timer is left",
      "another one: the callout to audit was not made",
    ]);
  });

  test("by gRPC: unary and streams", async (context) => {
    const results = await runWith(
      context,
      "c-script",
      `
tests:
  - name: unary
    config: |
      rqh: grpc_call grpc svc Check {} ping 500; ret 1
      grr: buf 5 0 9; effective $stream; continue 0
    request: {}
    callouts: [{to: grpc, expect: {service: svc, method: Check, message: ping}, grpc: {messages: [pong]}}]
    expect: {log: [{contains: grr}, {contains: pong}], response: {status: 200}}
  - name: unary that fails
    config: |
      rqh: grpc_call grpc svc Check {} ping 500; ret 1
      grc: status; effective $stream; local 403 no "" {} -1
    request: {}
    callouts: [{to: grpc, expect: {message: other}, grpc: {status: 7, message: nope}}]
    expect: {log: [{contains: grc}, {contains: nope}], response: {status: 403}}
  - name: stream
    config: |
      rqh: grpc_stream grpc svc Watch {} =t; grpc_send $t one 0; grpc_send $t two 1
    request: {}
    callouts: [{to: grpc, expect: {messages: [one, two]}, grpc: {after: 1ms, messages: [a, b], status: 0}}]
    expect: {log: [{contains: gri}, {contains: grr}, {contains: grr}, {contains: grt}, {contains: grc}]}
`,
    );
    expect(failuresOf(results)).toEqual([
      'unary that fails: gRPC callout to grpc: message is "ping", expected "other"',
    ]);
  });
});

describe("time", () => {
  test("is virtual: timers fire as it is moved, and streams that nothing resumes are told", async (context) => {
    const started = performance.now();
    const results = await runWith(
      context,
      "c-script",
      `
tests:
  - name: steps
    config: |
      cfg: set_tick 1000; define 0 ticks =m
      tick: increment $m 1
    steps:
      - {request: {path: /}, expect: {response: {status: 200}, metrics: {ticks: 0}}}
      - {advance: 1h, expect: {metrics: {ticks: 3600}}}
      - {tick: true}
    expect: {metrics: {ticks: {atLeast: 3601, atMost: 3601}}}
  - name: resumed by a tick
    config: |
      cfg: set_tick 100
      rqh: ret 1
      tick@3: effective $stream; continue 0
    request: {}
    expect: {paused: [request headers], response: {status: 200}}
  - name: never
    config: "rqb: ret 1"
    request: {body: hi}
    expect: {response: {status: 200}, paused: [request body]}
  - name: ticks for nothing
    config: |
      cfg: set_tick 100
      rqh: ret 1
    request: {}
  - name: client goes away
    config: "rqh: ret 1"
    request: {abort: 5s}
    expect: {log: [{contains: done}]}
  - name: the clock
    config: "rqh: prop request.time"
    given: {time: 2026-02-03T04:05:06.789Z}
    steps: [{advance: 1s}, {request: {}, expect: {log: [{contains: request.time}]}}]
`,
    );
    expect(failuresOf(results)).toEqual([
      "never: the stream was never resumed: it stands still in request body, and no chunk, callout or timer is left",
      "ticks for nothing: the stream was never resumed: it stands still in request headers, though its timer ticked 1000 times (100s)",
    ]);
    expect(performance.now() - started).toBeLessThan(30_000);
  });
});

describe("what is there before and after", () => {
  test("shared data, queues, properties, metadata, filter state", async (context) => {
    const results = await runWith(
      context,
      "c-script",
      `
given: {shared: {a: base, b: base}}
tests:
  - name: all
    config: |
      cfg: register_queue jobs; resolve_queue "" jobs =q
      rqh: get_data a; get_data b; set_data c new 0; prop source.address; prop source.port; prop metadata.filter_metadata.mine.key; enqueue $q two
      queue@1: dequeue $q
    given:
      shared: {b: own}
      queues: {jobs: [zero]}
      properties: {source.address: "10.0.0.1:4000", source.port: 4000}
      metadata: {mine: {key: value}}
    steps:
      - {enqueue: {queue: jobs, message: one}}
      - request: {}
        expect:
          log: [{contains: '"base"'}, {contains: '"own"'}, {contains: "10.0.0.1:4000"}, {contains: '\\xa0\\x0f'}, {contains: '"value"'}]
    expect: {shared: {a: base, b: own, c: new, d: {absent: true}}, queues: {jobs: [one, two]}}
  - name: read at the end
    config: "rqh: set_prop mine value"
    given: {properties: {source.port: 4000}}
    request: {path: /a?b, headers: {x-one: 1}}
    upstream: {status: 201}
    expect:
      filterState: {wasm.mine: value}
      properties: {mine: value, request.path: /a?b, request.headers.x-one: 1, response.code: 201, source.port: 4000, request.time: "2026-01-01T00:00:00.000Z", none.such: {absent: true}}
  - name: nothing is left of it
    given: {properties: {source.port: 1}}
    request: {}
    expect: {shared: {c: {absent: true}, b: base}, properties: {source.port: 2}}
`,
    );
    expect(failuresOf(results)).toEqual(['nothing is left of it: property source.port is "1", expected "2"']);
  });
});

describe("single callbacks, interleaved streams, connections, chains", () => {
  test("are driven as written", async (context) => {
    const results = await runWith(
      context,
      "c-script",
      `
tests:
  - name: phases
    config: |
      rqh: add 0 x-a b
      rqb@1: ret 1
      rsh: add 2 x-c d
    phases:
      - {requestHeaders: {headers: {":method": POST, ":path": /, ":authority": a}}, expect: {action: continue, headers: {x-a: b}}}
      - {requestBody: {chunk: hello}, expect: {action: pause, body: ""}}
      - {requestBody: {chunk: " you", endStream: true}, expect: {action: continue, body: hello you}}
      - {responseHeaders: {headers: {":status": 204}, endStream: true}, expect: {headers: {x-c: d}, response: {status: 204}}}
  - name: wrong action
    phases: [{requestHeaders: {headers: {":path": /, ":method": GET, ":authority": a}, endStream: true}, expect: {action: pause}}]
  - name: streams
    config: |
      rqh#1: ret 1
      rqh#2: effective 2; continue 0
    streams:
      - {name: first, request: {path: /1}, expect: {paused: [request headers], response: {status: 200}}}
      - {name: second, at: 50ms, request: {path: /2}, expect: {paused: [], response: {status: 200}}}
  - name: connection
    config: |
      dsd@1: set_buf 2 0 0 "> "
      usd: ret 1
    connection:
      data: [{downstream: hi}, {upstream: there}, {close: downstream}]
      expect: {upstream: "> hi", downstream: "", closed: true}
  - name: chain
    plugins:
      - {module: filter.wasm, name: one, config: "rqh: add 0 x-way one"}
      - {module: filter.wasm, name: two, config: "rqh: get 0 x-way; add 0 x-way two"}
    request: {}
    expect: {upstream: {headers: {x-way: [one, two]}}, log: [{contains: '"one"'}]}
  - name: workers
    workers: 2
    config: "rqh: get 0 :path"
    steps:
      - {request: {path: /a, worker: 0}, expect: {log: [{contains: "rqh #2"}]}}
      - {request: {path: /b, worker: 1}, expect: {log: [{contains: "rqh #2"}]}}
      - {request: {path: /c, worker: 1}, expect: {log: [{contains: "rqh #3"}]}}
`,
    );
    expect(failuresOf(results)).toEqual([
      "wrong action: the action is continue, expected pause",
      "connection: the filter left open the connection, expected closed",
    ]);
  });
});

describe("filters that go wrong", () => {
  test("rejected configurations, traps and warnings can be expected, and fail a test that does not", async (context) => {
    const results = await runWith(
      context,
      "c-script",
      `
tests:
  - {name: rejects, config: "cfg: ret 0", expect: {configure: rejected}}
  - {name: rejects unasked, config: "cfg: ret 0", request: {}}
  - {name: accepts, expect: {configure: rejected}}
  - {name: traps, config: "rqh: trap", request: {}, expect: {trap: {contains: unreachable}, response: {status: 503}}}
  - {name: traps unasked, config: "rqh: trap", request: {}}
  - {name: does not trap, request: {}, expect: {trap: true}}
  - {name: fails open, filter: {failurePolicy: open}, config: "rqh: trap", steps: [{request: {}, expect: {trap: true}}, {request: {}, expect: {response: {status: 200}}}]}
  - {name: warns, config: "rsh: get 0 :path", request: {}, expect: {warnings: [request-map-gone]}}
  - {name: warns strictly, strict: true, config: "rsh: get 0 :path", request: {}}
  - {name: panics, strict: true, config: 'rqh: log 4 "panicked at src/lib.rs"', request: {}}
  - {name: unsupported, profile: google, config: "cfg: set_tick 100", request: {}}
  - {name: unsupported as expected, profile: google, config: "cfg: set_tick 100", request: {}, expect: {warnings: [unsupported-call]}}
  - {name: warning expected, request: {}, expect: {warnings: [request-map-gone]}}
  - {name: module, expect: {module: {abi: 0.2.1, imports: [proxy_log], importsAbsent: [proxy_nothing], callbacks: [proxy_on_tick], maxBytes: 100000}}}
  - {name: wrong module, expect: {module: {abi: 0.1.0, importsAbsent: [proxy_log], maxBytes: 10}}}
  - {name: loads, expect: {load: refused}}
`,
    );
    expect(failuresOf(results)).toEqual([
      expect.stringMatching(/^rejects unasked: the filter rejects its configuration: /u),
      "accepts: the filter took its configuration, expected it to be rejected",
      expect.stringMatching(/^traps unasked: the filter trapped: .*unreachable/u),
      "does not trap: the filter did not trap",
      expect.stringMatching(/^warns strictly: request-map-gone: /u),
      "panics: panic-in-log: the log holds what looks like a panic: panicked at src/lib.rs",
      expect.stringMatching(/^unsupported: unsupported-call: /u),
      "warning expected: the host reported nothing, expected request-map-gone",
      'wrong module: ABI version is "0.2.1", expected "0.1.0"',
      "wrong module: the module imports proxy_log",
      expect.stringMatching(/^wrong module: the module has \d+ bytes, expected at most 10$/u),
      "loads: the host took the module, expected it to be refused",
    ]);
    expect(results.find(({ name }) => name === "rejects unasked")?.status).toBe("error");
  });

  test("a filter that loops fails its test, says where, and the next test goes on", async () => {
    const loop = rawFilter(ENDLESS);
    const yaml = `
filter: {module: filter.wasm}
tests:
  - {name: starts}
  - {name: loops, request: {}}
  - {name: goes on}
`;
    const { report } = await testFolder(loop, yaml).run({ timeoutMs: 100 });
    expect(report.results.map(({ status }) => status)).toEqual(["passed", "failed", "passed"]);
    expect(failuresOf(report.results)).toEqual([
      "loops: the filter did not return within 100 ms (in proxy_on_request_headers)",
    ]);
  });

  test("a module that is refused is an error, or what was expected", async () => {
    const yaml = `
filter: {module: filter.wasm}
tests:
  - {name: asked, expect: {load: {refused: {contains: corrupted}}}}
  - {name: any, expect: {load: refused}}
  - {name: not asked, request: {}}
`;
    const { report } = await testFolder(new TextEncoder().encode("not wasm at all"), yaml).run();
    expect(report.results.map(({ status }) => status)).toEqual(["passed", "passed", "error"]);
    expect(failuresOf(report.results)[0]).toMatch(/^not asked: the host refuses the module: .*corrupted/u);
  });
});

test("the tests of the AssemblyScript template pass with the starter", async (context) => {
  const module = await need(context, "as-hello", async () => await fixture("as-hello"));
  const yaml = readFileSync(new URL("../../templates/_shared/add-header/filter.test.yaml", import.meta.url), "utf8");
  const folder = testFolder(module, yaml);
  const path = join(folder.dir, "filter.wasm");
  const { report } = await folder.run({ module: { path, folder: folder.dir } });
  expect(report.results.map(({ status }) => status)).toEqual(["passed", "passed", "passed", "passed"]);
});

describe("choosing", () => {
  const yaml = `
matrix: {configs: ["rqh: ret 0", "rqh: local 403 no no {} -1"], profiles: [envoy, google]}
tests:
  - {name: runs, request: {}}
  - {name: is skipped, skip: not yet, request: {}, expect: {response: {status: 999}}}
`;

  test("a matrix runs every combination, skip leaves out, a name selects, bail stops", async (context) => {
    const results = await runWith(context, "c-script", yaml);
    expect(results.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "runs [config 1, envoy] passed",
      "is skipped [config 1, envoy] skipped",
      "runs [config 1, google] passed",
      "is skipped [config 1, google] skipped",
      "runs [config 2, envoy] passed",
      "is skipped [config 2, envoy] skipped",
      "runs [config 2, google] passed",
      "is skipped [config 2, google] skipped",
    ]);
    const named = await runWith(context, "c-script", yaml, { name: /runs.*google/u });
    expect(named).toHaveLength(2);
    await expect(runWith(context, "c-script", yaml, { name: /nothing/u })).rejects.toThrow(
      "no test has a name that matches nothing",
    );
    const bad = "tests: [{name: a, expect: {trap: true}}, {name: b}]";
    expect(await runWith(context, "c-script", bad, { bail: true })).toHaveLength(1);
    const only = "tests: [{name: a, only: true}, {name: b}]";
    expect((await runWith(context, "c-script", only)).map(({ status }) => status)).toEqual(["passed", "skipped"]);
  });
});
