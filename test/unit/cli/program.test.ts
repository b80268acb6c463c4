import { describe, expect, it } from "vitest";
import type { CommandSpec } from "../../../src/cli/command-spec.ts";
import { HelpWanted, parseCommandLine } from "../../../src/cli/program.ts";

const spec: CommandSpec = {
  name: "deploy istio",
  summary: "test",
  examples: [],
  arguments: [
    { name: "<image>", description: "" },
    { name: "[more...]", description: "" },
  ],
  options: [
    { flags: "-t, --tag <ref>", description: "" },
    { flags: "-l, --labels <k=v>", description: "", repeatable: true },
    { flags: "--no-check", description: "" },
    { flags: "--via <kind>", description: "", choices: ["auto", "envoyfilter"] },
    { flags: "--docker-run-args <args>", description: "" },
  ],
  run: () => Promise.reject(new Error("not run")),
};

const parse = (...words: string[]): ReturnType<typeof parseCommandLine> =>
  parseCommandLine(["deploy", "istio", ...words], spec);

describe("parseCommandLine", () => {
  it("gives arguments in order and options by name", () => {
    expect(parse("img", "-t", "a", "-l", "x=1", "--labels=y=2", "--no-check")).toMatchObject({
      type: "run",
      input: { args: ["img", []], options: { tag: "a", labels: ["x=1", "y=2"], check: false } },
    });
  });

  it("leaves what was not given undefined, negations included", () => {
    const { input } = parse("img") as { input: { options: Record<string, unknown> } };
    expect(input.options["check"]).toBeUndefined();
    expect(input.options["color"]).toBeUndefined();
  });

  it("takes global options before the command and after it", () => {
    expect(parseCommandLine(["-o", "json", "deploy", "istio", "img"], spec)).toMatchObject({
      input: { options: { output: "json" } },
    });
    expect(parse("img", "-o", "json")).toMatchObject({ input: { options: { output: "json" } } });
  });

  it("takes negated global options in both places", () => {
    for (const words of [
      ["--no-input", "deploy", "istio", "img"],
      ["deploy", "istio", "img", "--no-input"],
    ]) {
      expect(parseCommandLine(words, spec)).toMatchObject({ input: { options: { input: false } } });
    }
  });

  it("lets the later of two win", () => {
    expect(parseCommandLine(["-o", "json", "deploy", "istio", "img", "-o", "yaml"], spec)).toMatchObject({
      input: { options: { output: "yaml" } },
    });
  });

  it("ends options at --", () => {
    expect(parse("--", "-t")).toMatchObject({ input: { args: ["-t", []] } });
  });

  it("takes a value that starts with a dash", () => {
    expect(parse("img", "--docker-run-args", "--net=host")).toMatchObject({
      input: { options: { dockerRunArgs: "--net=host" } },
    });
  });

  it("gives help even when arguments are missing", () => {
    expect(() => parse("--help")).toThrow(HelpWanted);
    expect(() => parse("-h", "--bad")).toThrow(HelpWanted);
  });

  it.each([
    [[], 'missing required argument "image"'],
    [["img", "--bad"], 'unknown option "--bad"'],
    [["img", "--tagg"], "--tagg"],
    [["img", "-t"], "argument missing"],
    [["img", "--via", "x"], "auto, envoyfilter"],
  ])("refuses %j, naming what is wrong", (words, message) => {
    expect(() => parse(...words)).toThrow(
      expect.objectContaining({ kind: "usage", message: expect.stringContaining(message) }),
    );
  });

  it("suggests what was probably meant", () => {
    expect(() => parse("img", "--tagg", "x")).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("--tag") }),
    );
    expect(() => parseCommandLine(["pusk"], undefined)).toThrow(
      expect.objectContaining({
        kind: "usage",
        message: 'unknown command "pusk"',
        hint: expect.stringContaining("push"),
      }),
    );
  });

  it("prints a bare group's help, and refuses a group's unknown member", () => {
    expect(parseCommandLine(["deploy"], undefined)).toEqual({ type: "help", topic: "deploy" });
    expect(() => parseCommandLine(["deploy", "foo"], undefined)).toThrow(expect.objectContaining({ kind: "usage" }));
  });

  it.each([
    ["deploy ghcr.io/acme/hello:v1 --id t", "istio, envoy: wasme deploy istio ghcr.io/acme/hello:v1 …"],
    ["undeploy --id t -n shop", "istio: wasme undeploy istio --id …"],
    ["undeploy --quite", "did you mean --quiet?"],
    ["deploy istoi hello:v1 --id t", "did you mean deploy istio?"],
    ["deploy hello --id t", "there is istio, envoy"],
  ])("says what was left out of wasme %s", (line, hint) => {
    expect(() => parseCommandLine(line.split(" "), undefined)).toThrow(
      expect.objectContaining({
        kind: "usage",
        hint: expect.stringContaining(hint),
        details: { usage: `wasme ${line.split(" ", 1).join("")} <command> [options]` },
      }),
    );
  });

  it("gives a group's help whatever else is there", () => {
    expect(() => parseCommandLine(["deploy", "hello:v1", "--id", "t", "--help"], undefined)).toThrow(HelpWanted);
  });

  it("knows bare help", () => {
    expect(parseCommandLine([], undefined)).toEqual({ type: "help", topic: undefined });
    expect(parseCommandLine(["--help"], undefined)).toEqual({ type: "help", topic: undefined });
  });
});
