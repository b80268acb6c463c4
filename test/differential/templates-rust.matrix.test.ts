import { join } from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { findLanguage, loadCatalogue } from "../../src/scaffold/catalogue.ts";
import { cacheRoot } from "../components/cache.mjs";
import { envoyPath } from "../components/envoy.ts";
import { need } from "../components/require-component.ts";
import { buildProject, needRust } from "../integration/toolchain-support.ts";
import { initialised } from "./in-envoy/initialised.ts";
import { runPlanted } from "./in-envoy/planted.ts";
import { builtOnce, describeTemplates } from "./in-envoy/suite.ts";

await describeTemplates("rust", async (context, { name }) => await build(context, name));

async function build(context: TestContext, name: string): Promise<Uint8Array> {
  await needRust(context);
  // All projects share what is compiled of their crates.
  const env = { ...process.env, CARGO_TARGET_DIR: join(cacheRoot(), "rust-target", "templates") };
  return (await buildProject({ language: "rust", source: await initialised("rust", name), env })).bytes;
}

const TIMEOUT = 900_000;

describe("a test that expects something else than the real Envoy does", () => {
  test("fails for that reason alone, whatever is expected", { timeout: TIMEOUT }, async (context) => {
    const config = { cluster: "auth", path: "/check", timeout_ms: 500, request_headers: ["x-tenant"], skip: ["/free"] };
    const pass = { request: { path: "/free", headers: { "x-a": "1" } } };
    const asked = { request: { path: "/" }, callouts: [{ to: "auth" }] };
    const refused = { request: { path: "/" }, callouts: [{ to: "auth", answer: { status: 403, body: "no" } }] };
    const slow = { request: { path: "/" }, callouts: [{ to: "auth", answer: { fail: "timeout" } }] };
    const late = "ext_auth: cluster auth answered 504";
    const tests = [
      { ...pass, expect: { response: { status: 403 } } },
      { ...pass, expect: { response: { headers: { "x-none": "1" } } } },
      { ...pass, expect: { response: { body: "x" } } },
      { ...pass, expect: { response: { reset: true } } },
      { ...pass, expect: { upstream: "never" } },
      { ...pass, expect: { upstream: { path: "/other", headers: { "x-a": { absent: true } }, body: "x" } } },
      { ...refused, expect: { upstream: { path: "/" }, response: { status: 403, body: "no" } } },
      { ...asked, expect: { metrics: { "ext_auth.allowed": 2, "ext_auth.none": 0 } } },
      { ...slow, expect: { log: [{ contains: late, absent: true }] } },
      { ...slow, expect: { log: [{ level: "error", text: late }] } },
      { request: { path: "/" } },
      { ...pass, callouts: [{ to: "auth" }] },
      { ...asked, callouts: [{ to: "auth", expect: { path: "/other", timeout: "1s", headers: { "x-tenant": "a" } } }] },
      { expect: { configure: "rejected" } },
      { config: { cluster: 1 }, request: { path: "/" } },
      { config: { cluster: 1 }, expect: { configure: "rejected", log: [{ contains: "nothing of the kind" }] } },
      { steps: [pass, { advance: "10ms", expect: { log: [{ contains: "x" }] } }] },
    ];
    const failed = await plantedIn(context, "ext-auth", { filter: { config }, tests });
    expect(failed).toMatchInlineSnapshot(`
      {
        "test 0": [
          "tests[0].expect.response.status: status is "200", expected "403"",
        ],
        "test 1": [
          "tests[1].expect.response.headers.x-none: headers x-none is not there, expected "1"",
        ],
        "test 10": [
          "tests[10].expect: the filter called auth (GET /check), which no test announced",
        ],
        "test 11": [
          "tests[11].callouts[0]: the filter did not call auth",
        ],
        "test 12": [
          "tests[12].callouts[0].expect.path: upstream path is "/check", expected "/other"",
          "tests[12].callouts[0].expect.headers.x-tenant: headers x-tenant is not there, expected "a"",
          "tests[12].callouts[0].expect.timeout: timeout in ms is "500", expected "1000"",
        ],
        "test 13": [
          "Envoy took the configuration, which must be rejected",
        ],
        "test 14": [
          "Envoy refused the listener: ext_auth: configuration refused: cluster: invalid type: integer \`1\`, expected a string at line 1 column 12",
        ],
        "test 15": [
          "tests[15].expect.log[0]: the log holds no line from log that contains "nothing of the kind"",
        ],
        "test 16": [
          "tests[16].steps[1].expect.log[0]: the log holds no line from log that contains "x"",
        ],
        "test 2": [
          "tests[2].expect.response.body: body is "", expected "x"",
        ],
        "test 3": [
          "tests[3].expect.response: the response's end is: complete, expected a reset",
        ],
        "test 4": [
          "tests[4].expect.upstream: the upstream got GET /free, expected never",
        ],
        "test 5": [
          "tests[5].expect.upstream.path: upstream path is "/free", expected "/other"",
          "tests[5].expect.upstream.headers.x-a: headers x-a is "1", expected not there",
          "tests[5].expect.upstream.body: body is "", expected "x"",
        ],
        "test 6": [
          "tests[6].expect.upstream: the upstream got no request",
        ],
        "test 7": [
          "tests[7].expect.metrics["ext_auth.allowed"]: metric ext_auth.allowed is 1, expected 2",
          "tests[7].expect.metrics["ext_auth.none"]: metric ext_auth.none is undefined, expected 0",
        ],
        "test 8": [
          "tests[8].expect.log[0]: the log holds "ext_auth: cluster auth answered 504", expected no line from log that contains "ext_auth: cluster auth answered 504"",
        ],
        "test 9": [
          "tests[9].expect.log[0]: the log holds no line of level error from log "ext_auth: cluster auth answered 504"",
        ],
      }
    `);
  });

  test("fails by the filter state, too", { timeout: TIMEOUT }, async (context) => {
    const tests = [{ request: { path: "/" }, expect: { filterState: { "wasm.ab_variant": "b" } } }];
    const filter = { config: { variants: [{ name: "a", weight: 1 }] } };
    expect(await plantedIn(context, "ab-routing", { filter, tests })).toMatchInlineSnapshot(`
      {
        "test 0": [
          "tests[0].expect.filterState["wasm.ab_variant"]: filter state wasm.ab_variant is "a", expected "b"",
        ],
      }
    `);
  });

  test("fails by what passes a TCP connection, too", { timeout: TIMEOUT }, async (context) => {
    const connection = {
      data: [{ downstream: "a" }, { upstream: "b", after: "5ms" }, { close: "downstream" }],
      expect: { upstream: "b", downstream: "a" },
    };
    const late = '"bytes_received":1,"bytes_sent":1,"duration_ms":600000';
    const tests = [{ connection, expect: { log: [{ contains: late }], metrics: { "tcp_logger.connections": 2 } } }];
    expect(await plantedIn(context, "tcp-logger", { tests })).toMatchInlineSnapshot(`
      {
        "test 0": [
          "bytes to the upstream is "a", expected "b"",
          "bytes to the downstream is "b", expected "a"",
          "tests[0].expect.log[0]: the log holds no line from log that contains "\\"bytes_received\\":1,\\"bytes_sent\\":1,\\"duration_ms\\":600000"",
          "tests[0].expect.metrics["tcp_logger.connections"]: metric tcp_logger.connections is 1, expected 2",
        ],
      }
    `);
  });
});

async function plantedIn(
  context: TestContext,
  name: string,
  tests: Parameters<typeof runPlanted>[2],
): ReturnType<typeof runPlanted> {
  await need(context, "envoy", envoyPath);
  const template = findLanguage(await loadCatalogue(), "rust").templates.find((one) => one.name === name);
  if (template === undefined) throw new Error(`there is no template ${name}`);
  const module = await builtOnce("rust", template, async () => await build(context, name));
  return await runPlanted(name, module, tests);
}
