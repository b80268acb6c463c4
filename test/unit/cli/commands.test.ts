import { describe, expect, it } from "vitest";
import { allCommands } from "../../../src/cli/command-index.ts";
import type { OptionSpec } from "../../../src/cli/command-spec.ts";
import { renderCommandHelp } from "../../../src/cli/help.ts";
import { globalOptions } from "../../../src/cli/options/global.ts";
import { parseCommandLine } from "../../../src/cli/program.ts";
import { createStyle } from "../../../src/platform/terminal.ts";

const flags = (options: readonly OptionSpec[]): string[] =>
  options.flatMap((option) => option.flags.split(/[ ,]+/u).filter((part) => part.startsWith("-")));

describe.each(allCommands().map((entry) => [entry.name, entry] as const))("%s", (name, entry) => {
  it("has the name and summary the index says", async () => {
    const spec = await entry.load();
    expect(spec.name).toBe(name);
    expect(spec.summary).toBe(entry.summary);
  });

  it("uses no flag twice", async () => {
    const { options } = await entry.load();
    const all = flags([...options, ...globalOptions]);
    expect(all.filter((flag, i) => all.indexOf(flag) !== i)).toEqual([]);
  });

  it("has examples that its own parser accepts", async () => {
    const spec = await entry.load();
    expect(spec.examples.length).toBeGreaterThan(0);
    const own = spec.examples.flatMap(
      ({ command }) => /\bwasme ((?:"[^"]*"|'[^']*'|[^|;&)>])+)/u.exec(command)?.[1] ?? [],
    );
    expect(own.length).toBeGreaterThan(0);
    for (const line of own) {
      const words = [...line.trim().matchAll(/"([^"]*)"|'([^']*)'|(\S+)/gu)].map(([, a, b, c]) => a ?? b ?? c ?? "");
      expect(parseCommandLine(words, spec), line).toMatchObject({ type: "run", spec: { name } });
    }
  });

  it.each([80, Number.POSITIVE_INFINITY])("fits its help into 80 columns, for a width of %d", async (width) => {
    const help = renderCommandHelp(await entry.load(), createStyle(false), width);
    const long = help
      .split("\n")
      .filter((line) => line.length > 80 && !/^ {2}(?:#|wasme |source |kubectl |echo |printf )/u.test(line));
    expect(long).toEqual([]);
  });
});
