import { describe, expect, it } from "vitest";
import { call, type GuestProgram, OUT } from "../support/guest-program.ts";
import { runGuest } from "../unit/host/services/guest.ts";

const log = (text: string): ReturnType<typeof call> => call("proxy_log", 2, text);

/** Reads its configuration, which needs the allocator. */
const callbacks = { proxy_on_configure: [call("proxy_get_buffer_bytes", 7, 0, 99, OUT, OUT + 4)] };

/** What toolchains make, and what the guest logs before it is configured. */
const shapes: readonly [name: string, program: GuestProgram, logged: readonly string[]][] = [
  // The memory is there when the instance is: what a start section logs cannot be read.
  ["a start section (AssemblyScript)", { callbacks, start: [log("start")], entry: "none" }, []],
  ["_initialize (Rust, Go, C++)", { callbacks, initialize: [log("initialize")] }, ["initialize"]],
  ["_start (TinyGo)", { callbacks, initialize: [log("start")], entry: "_start" }, ["start"]],
  ["a start section and _initialize", { callbacks, start: [log("one")], initialize: [log("two")] }, ["two"]],
  ["no start code", { callbacks, entry: "none" }, []],
  ["malloc only", { callbacks, allocators: ["malloc"] }, []],
  ["proxy_on_memory_allocate only", { callbacks, allocators: ["proxy_on_memory_allocate"] }, []],
  ["both allocators, of which malloc is taken", { callbacks, allocators: ["malloc", "proxy_on_memory_allocate"] }, []],
  ["ABI 0.2.0", { callbacks, marker: "proxy_abi_version_0_2_0" }, []],
  [
    "ABI 0.1.0, with a configuration of its own kind",
    {
      callbacks: { proxy_on_configure: [call("proxy_get_configuration", OUT, OUT + 4)] },
      marker: "proxy_abi_version_0_1_0",
    },
    [],
  ],
];

describe("a host runs modules with", () => {
  it.each(shapes)("%s", (_name, program, logged) => {
    const guest = runGuest(program, {}, { configuration: "settings" });
    expect(guest.environment.lines.map(({ text }) => text)).toEqual(logged);
    expect(guest.environment.lines.every(({ plugin }) => plugin === undefined)).toBe(true);
    expect(guest.calls().filter((line) => line.startsWith("get_"))).toEqual([
      expect.stringMatching(/ = 0, settings$/u),
    ]);
    const warned = program.start === undefined ? [] : ["start-section-call"]; // Envoy crashes there
    expect(guest.environment.reports.map(({ code }) => code)).toEqual(warned);
  });
});
