import { describe, expect, it } from "vitest";
import { checkModule } from "../../../src/wasm/check-module.ts";
import type { ModuleOrigin } from "../../../src/wasm/detect-sdk.ts";
import { filterModule, producersSection, section } from "../../support/wasm-builder.ts";

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const wide = (text: string): string => Array.from(text, (char) => `${char}\0`).join("");

/** A sound module, with a data section that holds `text` as a passive segment. */
function withData(module: Uint8Array, text: string): Uint8Array {
  const content = [...latin1(text)];
  const size = [0x80 | (content.length & 0x7f), content.length >> 7];
  return Uint8Array.from([...module, ...section(11, [1, 1, ...size, ...content])]);
}

const origin = (module: Uint8Array): ModuleOrigin => checkModule(module).origin;

describe("where a module comes from", () => {
  it("Rust, by producers and the crate path of a panic message", () => {
    const rustc = producersSection({
      language: [["Rust", ""]],
      "processed-by": [
        ["rustc", "1.95.0 (59807616e 2026-04-14)"],
        ["clang", "21.1.4"],
      ],
    });
    const module = withData(
      filterModule({ custom: [rustc] }),
      "/cargo/registry/src/index/proxy-wasm-0.2.5/src/hostcalls.rs",
    );
    expect(origin(module)).toEqual({
      language: "rust",
      compiler: { name: "rustc", version: "1.95.0" },
      sdk: { name: "proxy-wasm", version: "0.2.5" },
    });
  });

  it("Rust without producers", () => {
    expect(origin(withData(filterModule(), "/rustc/5980/library/core/src/str.rs"))).toMatchObject({
      language: "rust",
      sdk: undefined,
    });
  });

  it("Go, with the SDK's version from the build info", () => {
    const go = producersSection({ language: [["Go", "go1.26.8"]], "processed-by": [["Go cmd/compile", "go1.26.8"]] });
    const info =
      "path\tx\ndep\tgithub.com/proxy-wasm/proxy-wasm-go-sdk\tv0.0.0-20250212164326-ab4161dcf924\th1:abc=\nbuild\tx";
    expect(origin(withData(filterModule({ custom: [go] }), info))).toEqual({
      language: "go",
      compiler: { name: "go", version: "1.26.8" },
      sdk: { name: "github.com/proxy-wasm/proxy-wasm-go-sdk", version: "v0.0.0-20250212164326-ab4161dcf924" },
    });
  });

  it("TinyGo, by its pair of allocators", () => {
    const functions = ["malloc", "calloc"].map((name) => ({ export: name, params: "i", result: "i" }));
    expect(origin(filterModule({ functions }))).toMatchObject({
      language: "tinygo",
      sdk: { name: "proxy-wasm-go-sdk" },
    });
  });

  it("C and C++, by clang's mark", () => {
    const c = producersSection({ language: [["C11", ""]], "processed-by": [["clang", "22.0.0"]] });
    expect(origin(filterModule({ custom: [c] }))).toMatchObject({
      language: "c",
      compiler: { name: "clang", version: "22.0.0" },
    });
    const cpp = producersSection({ language: [["C_plus_plus_17", ""]] });
    expect(origin(filterModule({ custom: [cpp] }))).toMatchObject({ language: "cpp", compiler: undefined });
  });

  it("AssemblyScript, by its strings", () => {
    expect(origin(withData(filterModule(), wide("~lib/string.ts")))).toEqual({
      language: "assemblyscript",
      compiler: { name: "asc", version: undefined },
      sdk: undefined,
    });
  });

  it("says nothing when nothing tells, and survives a broken producers section", () => {
    const nothing = { language: undefined, compiler: undefined, sdk: undefined };
    expect(origin(filterModule())).toEqual(nothing);
    expect(origin(filterModule({ custom: [{ name: "producers", bytes: Uint8Array.of(9, 9, 9) }] }))).toEqual(nothing);
  });
});

describe("Solo's SDK 0.1.8", () => {
  const functions = [
    { export: "proxy_on_grpc_trailing_metadata", params: "iii" },
    { export: "free", params: "i" },
  ];
  const module = withData(filterModule({ functions }, "proxy_abi_version_0_2_0"), wide("~lib/rt/tlsf.ts"));

  it("warns that it cannot do without a plugin configuration", () => {
    const report = checkModule(module);
    expect(report.origin.sdk).toEqual({ name: "@solo-io/proxy-runtime", version: "0.1.8" });
    expect(report).toMatchObject({ ok: true, warnings: [{ code: "MODULE_NEEDS_CONFIG" }] });
    expect(checkModule(module, { config: "" }).warnings).toHaveLength(1);
  });

  it("is content with one", () => {
    expect(checkModule(module, { config: "x" }).warnings).toEqual([]);
  });

  it("does not take its neighbours for it", () => {
    const old = withData(filterModule({ functions }, "proxy_abi_version_0_1_0"), wide("~lib/rt/tlsf.ts"));
    expect(checkModule(old)).toMatchObject({ origin: { sdk: { version: "0.1.1" } }, warnings: [] });
  });
});
