import { describe, expect, it } from "vitest";
import { GuestMemory } from "../../../../src/host/guest-memory.ts";
import { encodePairs } from "../../../../src/host/pairs-codec.ts";
import { showArguments, showResult } from "../../../../src/host/trace-args.ts";
import { CALL_SHAPES } from "../../../../src/host/trace-shapes.ts";
import { type WasmMemory, webAssembly } from "../../../../src/host/webassembly.ts";
import { hostImport, PROXY_IMPORTS, WASI_MODULES } from "../../../../src/wasm/host-imports.ts";

/** A page of memory; what is put in lies one after the other from 1024 on. */
function page(): { readonly memory: GuestMemory; readonly put: (bytes: Uint8Array | string) => [number, number] } {
  const memory = new GuestMemory();
  const raw: WasmMemory = new (webAssembly().Memory)({ initial: 1 });
  memory.attach(raw, () => 0);
  let top = 1024;
  return {
    memory,
    put: (given) => {
      const bytes = typeof given === "string" ? new TextEncoder().encode(given) : given;
      memory.write(top, bytes);
      const place: [number, number] = [top, bytes.length];
      top += bytes.length;
      return place;
    },
  };
}

const WIDE: ReadonlySet<string> = new Set(["text", "bytes", "pairs", "path", "value", "target"]);

describe("arguments of host calls, for people", () => {
  it("are described for every host call, in the right number", () => {
    for (const { name, type } of PROXY_IMPORTS) {
      const words = CALL_SHAPES.get(name) ?? [];
      const count = words.reduce((sum, word) => sum + (WIDE.has(word.replace(">", "")) ? 2 : 1), 0);
      const described = words.length > 0 || type.params.length <= 2;
      expect([name, described, words.length > 0 ? count : type.params.length]).toEqual([
        name,
        true,
        type.params.length,
      ]);
    }
    const known = (name: string): boolean =>
      ["env", ...WASI_MODULES].some((module) => hostImport(module, name) !== undefined);
    expect(Array.from(CALL_SHAPES.keys()).filter((name) => !known(name))).toEqual([]);
  });

  it("name enumerations, decode text, and shorten", () => {
    const { memory, put } = page();
    const show = (name: string, ...args: number[]): unknown => showArguments(memory, name, args);
    expect(show("proxy_get_header_map_value", 2, ...put("größe"), 0, 4)).toEqual(["response headers", "größe"]);
    expect(show("proxy_log", 4, ...put("a\nb"))).toEqual(["error", "a\nb"]);
    expect(show("proxy_log", 9, ...put("x"))).toEqual(["level 9", "x"]);
    expect(show("proxy_get_property", ...put("request\0path\0"), 0, 4)).toEqual(["request.path"]);
    expect(show("proxy_set_header_map_pairs", 0, ...put(encodePairs(["a", "b", "c", "d"])))).toEqual([
      "request headers",
      "a: b; c: d",
    ]);
    expect(show("proxy_set_header_map_pairs", 0, ...put(Uint8Array.of(1, 2)))).toEqual([
      "request headers",
      expect.stringMatching(/^malformed pairs: /u),
    ]);
    expect(show("proxy_set_buffer_bytes", 0, 0, -1, ...put("x".repeat(300)))).toEqual([
      "request body",
      0,
      4_294_967_295,
      `${"x".repeat(200)}… (300 bytes)`,
    ]);
    expect(show("proxy_set_buffer_bytes", 8, 0, 0, ...put(new Uint8Array(40)))).toEqual([
      "foreign function arguments",
      0,
      0,
      `0x${"00".repeat(32)}… (40 bytes)`,
    ]);
    expect(show("proxy_log", 2, 65_530, 10)).toEqual(["info", "out of bounds: 10 bytes at 65530"]);
    expect(show("proxy_log", 2, 65_536, 0)).toEqual(["info", ""]);
    expect(show("unheard_of", -1, 2)).toEqual([-1, 2]);
    expect(showArguments(memory, "proxy_increment_metric", [4, -5n])).toEqual([4, -5n]);
  });

  it("follow the pointers of results", () => {
    const { memory, put } = page();
    const give = (bytes: Uint8Array | string): void => {
      const [pointer, length] = put(bytes);
      memory.writeU32(0, pointer);
      memory.writeU32(4, length);
    };
    const property = (bytes: Uint8Array | string): unknown => {
      give(bytes);
      return showResult(memory, "proxy_get_property", [1, 1, 0, 4]);
    };
    expect(property("text")).toBe("text");
    expect(property("")).toBe("");
    expect(property(Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0))).toBe(200n);
    expect(property(Uint8Array.of(1))).toBe(1);
    expect(property(encodePairs(["a", "b"]))).toBe("a: b");
    expect(property(Uint8Array.of(0xff, 0))).toBe("0xff00");
    give("value");
    memory.writeU32(8, 3);
    expect(showResult(memory, "proxy_get_shared_data", [1, 1, 0, 4, 8])).toBe("value, 3");
    memory.writeU64(16, 2n ** 40n);
    expect(showResult(memory, "proxy_get_metric", [4, 16])).toBe(2n ** 40n);
    expect(showResult(memory, "proxy_get_log_level", [8])).toBe("warn");
    expect(showResult(memory, "proxy_get_metric", [4, -4])).toBe("nothing");
    expect(showResult(memory, "proxy_log", [2, 0, 0])).toBeUndefined();
  });
});
