import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HubServer, startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const home = makeTempDir("wasme-convert-");
const EPOCH = { SOURCE_DATE_EPOCH: "1700000000" };
let hub: HubServer;

const wasme = async (line: string, env: Readonly<Record<string, string>> = {}): Promise<CliResult> =>
  await runCli(line.split(" "), { home, env });
const json = async (line: string, env: Readonly<Record<string, string>> = {}): Promise<Record<string, unknown>> => {
  const { code, stdout, stderr } = await wasme(`${line} -o json`, env);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
};

beforeAll(async () => {
  hub = await startHub();
  await json(`build precompiled ${HELLO_WASM} -t hello:v1`);
});
afterAll(async () => await hub.close());

describe("wasme convert", () => {
  it("rewrites an image and says what became of it", async () => {
    const { stdout, stderr, code } = await wasme("convert hello:v1 hello:compat --format compat");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(
      /^Converted docker\.io\/library\/hello:v1 \(oci\) to docker\.io\/library\/hello:compat \(compat\)\nDigest: {8}sha256:\w{64}\nModule digest: sha256:\w{64} \(as before\)\n$/u,
    );
    const [digest] = /sha256:\w{64}/u.exec(stdout) ?? [];
    expect((await wasme("convert hello:v1 hello:again --format compat -q")).stdout).toBe(`${digest}\n`);
    const back = await json("convert hello:compat hello:back --format oci");
    const original = await json("inspect hello:v1");
    expect(back).toMatchObject({ kind: "ConvertResult", manifestDigest: original["manifestDigest"], unchanged: false });
  });

  it("says when only a name was given", async () => {
    const { stdout } = await wasme("convert hello:v1 hello:same --format oci");
    expect(stdout).toContain("unchanged: it is in the format oci already");
  });

  it.each([
    ["no format", "convert hello:v1 hello:x", {}, 2, "--format"],
    ["an unknown format", "convert hello:v1 hello:x --format docker", {}, 2, "oci, compat, cncf"],
    ["a target with a digest", `convert hello:v1 hello@sha256:${"a".repeat(64)} --format oci`, {}, 2, "holds a digest"],
    ["an unknown source", "convert hello:none hello:x --format oci", {}, 3, "no image"],
    ["a broken time", "convert hello:v1 hello:x --format cncf", { SOURCE_DATE_EPOCH: "now" }, 2, "SOURCE_DATE_EPOCH"],
  ])("refuses %s", async (_case, line, env, code, said) => {
    const result = await wasme(line, env);
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toContain(said);
    expect((await wasme("list")).stdout).not.toContain(" x ");
  });
});

describe("formats and times on the command line", () => {
  it("pushes a CNCF artifact with the time it is told, the same every time", async () => {
    await json(`tag hello:v1 ${hub.host}/demo/hello:v1`);
    const pushed = await json(`push ${hub.host}/demo/hello:v1 --format cncf`, EPOCH);
    expect(pushed).toMatchObject({ kind: "PushResult", format: "cncf", unchanged: false, mountedBytes: 0 });
    expect(await json(`push ${hub.host}/demo/hello:v1 --format cncf`, EPOCH)).toMatchObject({
      unchanged: true,
      requests: 1,
    });
    expect(await json(`push ${hub.host}/demo/hello:v1 --format cncf`)).toMatchObject({ unchanged: false });
    const converted = await json("convert hello:v1 hello:cncf --format cncf", EPOCH);
    expect(converted["manifestDigest"]).toBe(pushed["manifestDigest"]);
    // A time is only written where a manifest is made: what is stored is pushed as it is, whatever the variable holds.
    const stored = await json(`push ${hub.host}/demo/hello:v1`, { SOURCE_DATE_EPOCH: "nonsense" });
    expect(stored).toMatchObject({ format: "oci", unchanged: false });
  });

  it("tells what a second repository spared", async () => {
    await json(`tag hello:v1 ${hub.host}/demo/first:v1`);
    await json(`push ${hub.host}/demo/first:v1`);
    await json(`tag hello:v1 ${hub.host}/demo/second:v1`);
    const { stdout } = await wasme(`push ${hub.host}/demo/second:v1`);
    expect(stdout).toMatch(/\nmounted \d+ B\n$/u);
    const wrong = await wasme(`push ${hub.host}/demo/second:v1 --mount-from quay.io/demo/x`);
    expect(wrong).toMatchObject({ code: 2, stdout: "" });
    expect(wrong.stderr).toContain("another registry");
  });
});
