import { describe, expect, it } from "vitest";
import { readBuildScript } from "../../../src/toolchain/assemblyscript/script.ts";

const asc = (...argv: string[]): object => ({ kind: "asc", argv });

describe("readBuildScript", () => {
  it("reads one run of asc", () => {
    expect(readBuildScript({ asbuild: "asc assembly/index.ts --target release" })).toEqual(
      asc("assembly/index.ts", "--target", "release"),
    );
    expect(readBuildScript({ asbuild: "npx asc 'my file.ts' -O3" })).toEqual(asc("my file.ts", "-O3"));
    expect(readBuildScript({ asbuild: 'asc a.ts --use abort="x y"' })).toEqual(asc("a.ts", "--use", "abort=x y"));
  });

  it("takes the release step of several, wherever it stands", () => {
    const old = {
      "asbuild:untouched": "asc a.ts -b build/untouched.wasm --debug",
      "asbuild:optimized": "asc a.ts -b build/optimized.wasm --optimize",
      asbuild: "npm run asbuild:untouched && npm run asbuild:optimized",
    };
    expect(readBuildScript(old)).toEqual(asc("a.ts", "-b", "build/optimized.wasm", "--optimize"));
    const turned = { ...old, asbuild: "npm run asbuild:optimized && npm run asbuild:untouched" };
    expect(readBuildScript(turned)).toEqual(asc("a.ts", "-b", "build/optimized.wasm", "--optimize"));
    expect(readBuildScript({ asbuild: "asc a.ts -o a.wasm && asc b.ts -o b.wasm" })).toEqual(
      asc("b.ts", "-o", "b.wasm"),
    );
  });

  it.each([
    ["another program", { asbuild: "node build.mjs" }],
    ["a step beside asc", { asbuild: "asc a.ts && cp build/a.wasm out" }],
    ["a variable", { asbuild: "asc $ENTRY" }],
    ["an assignment", { asbuild: "DEBUG=1 asc a.ts" }],
    ["a pipe", { asbuild: "asc a.ts | cat" }],
    ["a redirection", { asbuild: "asc a.ts > a.wasm" }],
    ["a list", { asbuild: "asc a.ts; echo done" }],
    ["a pattern", { asbuild: "asc src/*.ts" }],
    ["options for node", { asbuild: "asc a.ts -- --max-old-space-size=4096" }],
    ["arguments for a script", { asbuild: "npm run other -- -O3", other: "asc a.ts" }],
    ["a script before it", { asbuild: "asc a.ts", preasbuild: "node generate.mjs" }],
    ["a script after a step", { asbuild: "npm run one", one: "asc a.ts", postone: "wasm-opt" }],
    ["a step that is not there", { asbuild: "npm run gone" }],
    ["a circle", { asbuild: "npm run asbuild" }],
    ["an open quote", { asbuild: "asc 'a.ts" }],
    ["nothing", { asbuild: "" }],
  ])("leaves %s to npm", (_, scripts) => {
    expect(readBuildScript(scripts)).toEqual({ kind: "custom" });
  });

  it("finds none", () => {
    expect(readBuildScript({ build: "asc a.ts" })).toEqual({ kind: "none" });
  });
});
