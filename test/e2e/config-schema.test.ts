import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { CONFIG_SCHEMA_ANNOTATION } from "../../src/domain/config-schema.ts";
import { ignoreEvents } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { importImage } from "../../src/images/import-image.ts";
import { openStore } from "../../src/store/image-store.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { fetchOnce, type RunLine, startRun, writeFilter } from "../support/run-filter.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A filter that takes every configuration that is not empty: local.get 1 is its length. */
const TAKES_ANY = { export: "proxy_on_configure", params: "ii", result: "i", body: [0x20, 0x01] } as const;
const SCHEMA = {
  title: "Greeter",
  type: "object",
  additionalProperties: false,
  required: ["name"],
  properties: {
    name: { type: "string", description: "Who is greeted." },
    times: { $ref: "#/$defs/count", default: 1 },
  },
  $defs: { count: { type: "integer", minimum: 1 } },
};
const FIT = '{"name":"Jo"}';
const UNFIT = '{"name":1}';
const WHY = "name is of type number, expected string";

let home: string;

beforeEach(async () => {
  home = tempDir();
  writeFilter(home, [TAKES_ANY]);
  writeFileSync(join(home, "config.schema.json"), JSON.stringify(SCHEMA, undefined, 2));
  await wasme("build", "precompiled", "filter.wasm", "-t", "greeter:v1");
});

async function wasme(...args: string[]): Promise<CliResult> {
  return await runCli(args, { home });
}

/** An image as a stranger may have made it. */
async function hostile(name: string, schema: string): Promise<void> {
  const store = openStore(join(home, ".wasme", "images"));
  const annotations = { [CONFIG_SCHEMA_ANNOTATION]: schema, "wasme.io/build.language": "ru\u001b[2Jst\nLoads: yes" };
  const request = { file: join(home, "filter.wasm"), reference: parseImageReference(name), check: true, annotations };
  await importImage({ store }, request, ignoreEvents);
}

describe("a configuration that its schema refuses", () => {
  it.for([
    ["run", "run", "greeter:v1"],
    ["run of a file", "run", "filter.wasm"],
    ["bench", "bench", "greeter:v1"],
    ["deploy istio", "deploy", "istio", "greeter:v1", "--id", "g", "-n", "shop", "--dry-run=client"],
    ["deploy envoy", "deploy", "envoy", "greeter:v1", "--out", "envoy.yaml"],
  ] as const)("ends %s as bad input, before anything is done", async ([, ...args]) => {
    const { code, stdout, stderr } = await wasme(...args, "--config", UNFIT);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(`does not take this configuration: ${WHY}`);
    expect(stderr).toContain("--no-check");
    expect(existsSync(join(home, "envoy.yaml"))).toBe(false);
    const none = await wasme(...args);
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringContaining('needs a configuration: the configuration lacks "name"'),
    ]);
  });

  it.for([
    ["bench", "greeter:v1", "--requests", "1000"],
    ["deploy", "istio", "greeter:v1", "--id", "g", "-n", "shop", "--dry-run=client"],
    ["deploy", "envoy", "greeter:v1", "--out", "envoy.yaml"],
  ] as const)("is taken all the same with --no-check, and a fitting one without: %j", async (args) => {
    expect(await wasme(...args, "--config", UNFIT, "--no-check")).toMatchObject({ code: 0 });
    const { code, stderr } = await wasme(...args, "--config", FIT);
    expect([code, stderr.includes("schema")]).toEqual([0, false]);
  });

  it("is served with --no-check; under --watch the old one goes on", async () => {
    writeFileSync(join(home, "config.json"), UNFIT);
    const unchecked = await startRun(["filter.wasm", "--config", "@config.json", "--no-check"], home);
    expect((await fetchOnce(unchecked.url)).status).toBe(200);
    unchecked.child.kill("SIGINT");
    writeFileSync(join(home, "config.json"), FIT);
    const run = await startRun(["filter.wasm", "--config", "@config.json", "--watch"], home);
    writeFileSync(join(home, "config.json"), UNFIT);
    const line = await run.line((each: RunLine) => String(each["message"]).startsWith("the change is not served"));
    expect(line["message"]).toContain(WHY);
    expect((await fetchOnce(run.url)).status).toBe(200);
    writeFileSync(join(home, "config.json"), '{"name":"Ann"}');
    await run.line((each: RunLine) => each["savedToServedMs"] !== undefined);
  });

  it("is a finding of check, that says so when the module takes it", async () => {
    const { code, stdout } = await wasme("check", "greeter:v1", "--config", UNFIT, "-o", "json");
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: { code: string; message: string }[] };
    expect([code, ok]).toEqual([7, false]);
    expect(findings[0]).toMatchObject({ code: "CONFIG_UNFIT", severity: "error" });
    expect(findings[0]?.message).toBe(
      `the schema of its configuration refuses this one: ${WHY}; the module itself takes it`,
    );
    expect(await wasme("check", "filter.wasm", "--config", UNFIT)).toMatchObject({ code: 7 });
    expect(await wasme("check", "filter.wasm", "--config", UNFIT, "--no-smoke")).toMatchObject({
      code: 7,
      stdout: expect.not.stringContaining("takes it"),
    });
    const fine = await wasme("check", "greeter:v1", "--config", FIT, "-o", "json");
    expect([fine.code, fine.stdout.includes("CONFIG_UNFIT")]).toEqual([0, false]);
    // Not known yet: nothing to hold against it.
    expect((await wasme("check", "greeter:v1", "-o", "json")).stdout).not.toContain("CONFIG_UNFIT");
  });

  it("fails a case of a test, unless filter and schema both refuse it", async () => {
    writeFileSync(
      join(home, "a.test.yaml"),
      `filter: {module: filter.wasm}
tests:
  - {name: fits, config: ${FIT}, request: {}}
  - {name: refused by the schema, config: ${UNFIT}, request: {}}
  - {name: refused by both, expect: {configure: rejected}}
  - {name: refused by both unasked, request: {}}
  - {name: expected to be rejected, config: ${UNFIT}, expect: {configure: rejected}}
`,
    );
    const { code, stdout } = await wasme("test", "--reporter", "json");
    const { cases } = JSON.parse(stdout) as {
      cases: { name: string; status: string; failures?: { message: string }[] }[];
    };
    expect(code).toBe(1);
    expect(
      cases.map(({ name, status, failures = [] }) => [name, status, ...failures.map(({ message }) => message)]),
    ).toEqual([
      ["fits", "passed"],
      ["refused by the schema", "failed", `config.schema.json refuses the configuration that the filter takes: ${WHY}`],
      ["refused by both", "passed"],
      [
        "refused by both unasked",
        "error",
        expect.stringContaining('; its schema refuses it, too: the configuration lacks "name"'),
      ],
      [
        "expected to be rejected",
        "failed",
        `the filter took its configuration, expected it to be rejected, as its schema does (${WHY})`,
      ],
    ]);
  });
});

describe("wasme inspect", () => {
  it("shows the configuration's keys, and under -o json the whole schema", async () => {
    const { stdout } = await wasme("inspect", "greeter:v1");
    expect(stdout).toMatch(/^Configuration: object: Greeter$/mu);
    expect(stdout).toMatch(/^ {2}name +string +required +Who is greeted\.$/mu);
    expect(stdout).toMatch(/^ {2}times +integer +default 1$/mu);
    const { configSchema, build } = JSON.parse((await wasme("inspect", "greeter:v1", "-o", "json")).stdout);
    expect(configSchema).toEqual(SCHEMA);
    expect(build).toBeUndefined();
  });

  it("is not painted over by what strangers write", async () => {
    const lines = {
      type: "object",
      title: "x\nRoot ids: evil\u001b[31m",
      properties: { "a\nLoads: yes\u001b[2J": {} },
    };
    await hostile("evil:v1", JSON.stringify(lines));
    const { code, stdout } = await wasme("inspect", "evil:v1");
    expect(code).toBe(0);
    expect(stdout).not.toContain("\u001b");
    expect(stdout.match(/^Loads: +/gmu)).toHaveLength(1);
    expect(stdout.match(/^Root ids: +/gmu)).toHaveLength(1);
    expect(stdout).toMatch(/^Built by: +ru\\x1b\[2Jst Loads: yes$/mu);
  });

  it("lists so many keys and no more", async () => {
    const properties = Object.fromEntries(
      Array.from({ length: 100 }, (_each, at) => [`key${at}`, { description: "d".repeat(500) }]),
    );
    await hostile("large:v1", JSON.stringify({ type: "object", properties }));
    const { stdout } = await wasme("inspect", "large:v1");
    expect(stdout.match(/^ {2}key\d+ /gmu)).toHaveLength(30);
    expect(stdout).toContain("and 70 more");
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThan(200);
  });
});

describe("what is no schema, in an image", () => {
  it.for([
    ["{", "it is not a JSON object"],
    ["[1]", "it is not a JSON object"],
    [`{"title":"${"x".repeat(70_000)}"}`, "more than 65536"],
    [`${'{"not":'.repeat(20_000)}1${"}".repeat(20_000)}`, "it is not a JSON object"],
    ['{"$ref":"http://127.0.0.1:1/a.json"}', "refers to another document"],
  ] as const)("is a warning, and nothing is held against it (%#)", async ([schema, why]) => {
    await hostile("odd:v1", schema);
    const told = await wasme(
      "deploy",
      "istio",
      "odd:v1",
      "--id",
      "g",
      "-n",
      "s",
      "--dry-run=client",
      "--config",
      UNFIT,
    );
    expect(told).toMatchObject({ code: 0, stderr: expect.stringContaining(why) });
    const { code, stdout } = await wasme("check", "odd:v1", "--config", UNFIT, "-o", "json");
    expect(code).toBe(0);
    expect(stdout).toContain('"code": "CONFIG_SCHEMA_INVALID"');
    const shown = await wasme("inspect", "odd:v1");
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain("note: what docker.io/library/odd:v1 carries is no schema");
  });

  it.for(['{"$ref":"#"}', '{"$ref":"#/nowhere"}', '{"dependentRequired":{"name":5}}'])(
    "%s decides nothing, and breaks nothing",
    async (schema) => {
      await hostile("odd:v1", schema);
      const { code, stderr } = await wasme("check", "odd:v1", "--config", UNFIT);
      expect([code, stderr]).toEqual([0, ""]);
    },
  );

  it("in a project's own folder is an error that names the file", async () => {
    writeFileSync(join(home, "config.schema.json"), '{"type":"strng"}');
    for (const args of [
      ["build", "precompiled", "filter.wasm", "-t", "a:v1"],
      ["run", "filter.wasm"],
      ["check", "filter.wasm"],
    ]) {
      const { code, stderr } = await wasme(...args);
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining("config.schema.json is no schema of a plugin configuration"),
      ]);
    }
  });
});
