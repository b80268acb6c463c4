import { describe, expect, it } from "vitest";
import type { ProgressEvent } from "../../../src/domain/events.ts";
import type { Context } from "../../../src/cli/context.ts";
import { builderOptions, containerEnvOf, oldBuildOptions } from "../../../src/cli/options/builder.ts";

function read(values: Readonly<Record<string, unknown>>): { env: unknown; events: readonly ProgressEvent[] } {
  const events: ProgressEvent[] = [];
  const context = { events: (event: ProgressEvent) => void events.push(event) } as unknown as Context;
  return { env: containerEnvOf(context, values), events };
}

describe("the old tool's flags of build", () => {
  it("are variables of a builder container, under the names its image reads", () => {
    const values = { bazelTarget: ":filter", bazelOutput: "f.wasm", buildDir: "src", builder: "container" };
    expect(read(values)).toEqual({
      env: { containerEnv: { TARGET: ":filter", BAZEL_OUTPUT: "f.wasm", BUILD_BASE: "src" } },
      events: [],
    });
  });

  it("say so elsewhere, and nothing when none is given", () => {
    const { events } = read({ username: "me", password: "secret", builder: "auto" });
    expect(events).toMatchObject([
      { type: "warning", message: "--username, --password are read by a build in a container only" },
    ]);
    expect(JSON.stringify(events)).not.toContain("secret");
    expect(read({ builder: "auto" })).toEqual({ env: {}, events: [] });
  });

  it("are not in the help, and share no letter with the new ones", () => {
    expect(oldBuildOptions.every(({ hidden }) => hidden === true)).toBe(true);
    const letters = [...builderOptions, ...oldBuildOptions].flatMap(({ flags }) => flags.match(/^-\w\b/u) ?? []);
    expect(new Set(letters).size).toBe(letters.length);
  });
});
