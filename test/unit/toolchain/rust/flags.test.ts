import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readCargoConfig } from "../../../../src/toolchain/rust/config.ts";
import { passFlags } from "../../../../src/toolchain/rust/flags.ts";
import type { Env } from "../../../../src/platform/env.ts";
import { writeTree } from "../../../support/fake-program.ts";
import { tempDir } from "../../../support/temp-dir.ts";

const target = "wasm32-wasip1";
const OURS = ["--remap-path-prefix=/a b=/project"];

async function passed(
  config: string,
  env: Env = {},
): Promise<{ args: readonly string[]; encoded: string | undefined }> {
  const folder = await writeTree(tempDir(), { ".cargo/config.toml": config, "crates/f/Cargo.toml": "" });
  const read = await readCargoConfig(join(folder, "crates/f"), { CARGO_HOME: join(folder, "home"), ...env });
  const { args, env: result } = passFlags(OURS, { target, config: read, env });
  return { args, encoded: result["CARGO_ENCODED_RUSTFLAGS"] };
}

const TO_TARGET = ["--config", 'target.wasm32-wasip1.rustflags=["--remap-path-prefix=/a b=/project"]'];
const TO_BUILD = ["--config", 'build.rustflags=["--remap-path-prefix=/a b=/project"]'];

describe("passFlags puts ours where cargo takes the project's own from", () => {
  it.each([
    ["", TO_TARGET],
    ['[build]\nrustflags = ["-Cx"]', TO_BUILD],
    ['build.rustflags = ["-Cx"]', TO_BUILD],
    ['build = { rustflags = ["-Cx"] }', TO_BUILD],
    ['[build]\nrustflags = ["-Cx"]\n[target.x86_64-unknown-linux-gnu]\nrustflags = ["-Cy"]', TO_BUILD],
    ['[build]\nrustflags = ["-Cx"]\n[target.wasm32-wasip1]\nrustflags = ["-Cy"]', TO_TARGET],
    ['[build]\nrustflags = ["-Cx"]\n[target."wasm32-wasip1"] # ours\nrustflags = ["-Cy"]', TO_TARGET],
    ['[target.wasm32-wasip1]\nlinker = "wasm-ld"\n[build]\n# rustflags = []\n', TO_TARGET],
  ])("%s", async (config, args) => {
    expect(await passed(config)).toEqual({ args, encoded: undefined });
  });

  it("adds to the variables, which put the files out of force, empty ones too", async () => {
    const flag = OURS[0] ?? "";
    expect(await passed("", { RUSTFLAGS: "-Ca  -Cb" })).toEqual({ args: [], encoded: `-Ca\u001F-Cb\u001F${flag}` });
    expect(await passed("", { RUSTFLAGS: "" })).toEqual({ args: [], encoded: flag });
    const both = { RUSTFLAGS: "-Ca", CARGO_ENCODED_RUSTFLAGS: "-Cc d" };
    expect(await passed("", both)).toEqual({ args: [], encoded: `-Cc d\u001F${flag}` });
    expect(await passed("", { CARGO_BUILD_RUSTFLAGS: "-Ca" })).toMatchObject({ args: TO_BUILD });
    expect(
      await passed("", { CARGO_BUILD_RUSTFLAGS: "-Ca", CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS: "-Cb" }),
    ).toMatchObject({ args: TO_TARGET });
  });

  it("reads build.target, the nearest file first, and cargo's home last", async () => {
    const folder = await writeTree(tempDir(), {
      ".cargo/config.toml": '[build]\ntarget = "wasm32-wasip2"',
      "f/.cargo/config": "[build]\ntarget = 'wasm32-unknown-unknown'",
      "home/config.toml": '[build]\nrustflags = ["-Cx"]\ntarget = "x86_64-apple-darwin"',
    });
    const env = { CARGO_HOME: join(folder, "home") };
    expect(await readCargoConfig(join(folder, "f"), env)).toMatchObject({
      target: "wasm32-unknown-unknown",
      buildFlags: true,
    });
    expect((await readCargoConfig(folder, env)).target).toBe("wasm32-wasip2");
    expect((await readCargoConfig(folder, { ...env, CARGO_BUILD_TARGET: "t" })).target).toBe("t");
  });
});
