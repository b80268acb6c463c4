import { describe, expect, it } from "vitest";
import type { WasmeError } from "../../../../src/domain/errors.ts";
import { cargoError } from "../../../../src/toolchain/rust/cargo-error.ts";
import type { RustToolchain } from "../../../../src/toolchain/rust/toolchain.ts";

const rust: RustToolchain = {
  cargo: "/bin/cargo",
  version: "1.80.0",
  commit: undefined,
  sysroot: "/r/toolchains/1.80.0-x86_64-unknown-linux-gnu",
  rustup: "1.80.0-x86_64-unknown-linux-gnu",
  targets: ["wasm32-wasip1"],
};

async function errorOf(stderr: string, install = true, toolchain = rust): Promise<WasmeError> {
  return await cargoError({ folder: "/p", stderr, exitCode: 101, rust: toolchain, install });
}

describe("cargoError", () => {
  it.each([
    ["error: the lock file /p/Cargo.lock needs to be updated but --locked was passed", "CARGO_LOCK_OUTDATED", "usage"],
    ["error: cannot update the lock file /p/Cargo.lock because --locked was passed", "CARGO_LOCK_OUTDATED", "usage"],
    [
      "error[E0463]: can't find crate for `core`\n  |\n  = note: the `wasm32-wasip1` target may not be installed",
      "TOOL_UNFIT",
      "build-failed",
    ],
    [
      "error: lock file version `4` was found, but this version of Cargo does not understand",
      "TOOL_UNFIT",
      "build-failed",
    ],
    [
      "error: rustc 1.60.0 is not supported by the following packages:\n  x@1 requires rustc 1.68",
      "TOOL_UNFIT",
      "build-failed",
    ],
    [
      "warning: spurious network error (3 tries remaining): [6] Could not resolve host: index.crates.io",
      "CRATES_UNREACHABLE",
      "unreachable",
    ],
    [
      "error: no matching package named `proxy-wasn` found\nlocation searched: crates.io index",
      "CRATE_NOT_FOUND",
      "not-found",
    ],
    ["error: failed to parse manifest at `/p/Cargo.toml`", "CARGO_TOML_INVALID", "usage"],
    [
      "error: linking with `rust-lld` failed: exit status: 1\n  |\n  = note: rust-lld: error: unknown argument",
      "LINK_FAILED",
      "build-failed",
    ],
    ["error: linker `rust-lld` not found", "LINK_FAILED", "build-failed"],
    ["error: failed to run custom build command for `ring v0.17`", "CARGO_FAILED", "build-failed"],
    ["", "CARGO_FAILED", "build-failed"],
  ])("%j", async (stderr, code, kind) => {
    const error = await errorOf(stderr);
    expect(error).toMatchObject({ code, kind });
    expect(error.hint).toBeTruthy();
    expect(error.message).not.toContain("\n");
  });

  it("takes the compiler's errors before words that only sound like another failure", async () => {
    const stderr =
      'error[E0308]: mismatched types\n --> src/lib.rs:3:9\n  |\n3 |     "connection refused"\n\nerror: could not compile `f` (lib) due to 1 previous error\n';
    expect(await errorOf(stderr)).toMatchObject({
      code: "COMPILE_FAILED",
      message: "cannot compile the filter: src/lib.rs:3:9: mismatched types (E0308)",
      hint: expect.stringContaining("rustc --explain E0308"),
    });
  });

  it("tells a refused download from an unreachable registry", async () => {
    const said =
      "error: failed to download from `https://x`\nCaused by: attempting to make an HTTP request, but --offline was specified";
    expect(await errorOf(said, false)).toMatchObject({
      code: "INSTALL_REFUSED",
      hint: expect.stringContaining("cargo fetch"),
    });
    expect((await errorOf(said, true)).code).not.toBe("INSTALL_REFUSED");
  });

  it("names the toolchain that needs the target", async () => {
    const said = "error[E0463]: can't find crate for `std`";
    expect((await errorOf(said)).hint).toBe(
      "rustup target add wasm32-wasip1 --toolchain 1.80.0-x86_64-unknown-linux-gnu",
    );
    const old = { ...rust, version: "1.70.0", rustup: "stable-x86_64-unknown-linux-gnu" };
    expect((await errorOf(said, true, old)).hint).toBe("rustup target add wasm32-wasi");
    const { hint } = await errorOf(said, true, { ...rust, rustup: undefined });
    expect(hint).not.toContain("rustup target add");
  });
});
