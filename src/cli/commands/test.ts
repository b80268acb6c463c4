import { dirname, resolve } from "node:path";
import { usageError } from "../../domain/errors.ts";
import type { RunTestsRequest, TestRun } from "../../sandbox/test/run-tests.ts";
import { type CommandSpec, manyArguments } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { choice, duration, flag, text, type Values, textOrFile } from "../options/read.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { type Outcome, versioned } from "../outcome.ts";

const REPORTERS = ["text", "tap", "junit", "json"] as const;
const PROFILES = ["envoy", "google", "nginx"] as const;
const WAITING = { type: "milestone", message: "Waiting for changes (Ctrl-C ends it)" } as const;

/** `wasme test [PATH…]`. */
export const test: CommandSpec = {
  name: "test",
  summary: "Test a filter without Envoy",
  description:
    "Run test files against a filter in the embedded host, which behaves as Envoy does: no Docker, no Envoy, virtual " +
    "time, a fresh VM for every test. Paths are test files or folders with *.test.yaml files; the module is the project " +
    "they are in, built once, or the one a file or --module names. Exit code 1 means that a test failed.",
  examples: [
    { command: "wasme test", does: "all test files of this folder, against the filter it builds" },
    { command: "wasme test auth.test.yaml -t credentials", does: "the tests with credentials in their name" },
    { command: "wasme test --module filter.wasm --reporter junit > junit.xml", does: "a compiled module, for CI" },
    { command: "wasme test --watch", does: "again after every change" },
    { command: "wasme test --update", does: "write what came into the files as what is expected" },
  ],
  arguments: [{ name: "[paths...]", description: "test files and folders; default this folder", complete: "file" }],
  options: [
    { flags: "-t, --name <pattern>", description: "only tests whose name matches this regular expression" },
    {
      flags: "-m, --module <source>",
      description: "module, project folder or image to test instead",
      complete: "image-or-file",
    },
    {
      flags: "--config <text>",
      description: "plugin config for test files of Google's tester, which take it from outside; @file reads it",
    },
    {
      flags: "--reporter <reporter>",
      description: "form of the report",
      choices: REPORTERS,
      complete: REPORTERS,
      default: "text",
    },
    {
      flags: "--reporter-file <file>",
      description: "write the report there, the text to the terminal",
      complete: "file",
    },
    { flags: "-u, --update", description: "rewrite expectations that were not met, and show the difference" },
    { flags: "-w, --watch", description: "run again when a test file, the module or its source changes" },
    { flags: "--bail", description: "stop after the first test that fails" },
    { flags: "--strict", description: "warnings of the host fail a test" },
    { flags: "--strict-budgets", description: "budgets in microseconds fail a test, too" },
    {
      flags: "--profile <host>",
      description: "whose rules the host follows, whatever the files say",
      choices: PROFILES,
      complete: PROFILES,
    },
    { flags: "--timeout <duration>", description: "how long one call into the filter may take", default: "1s" },
    { flags: "--schema", description: "print the JSON Schema of test files, for editors" },
    ...storeOptions,
  ],
  endless: ({ options }) => flag(options, "watch"),
  async run(context, input) {
    const { options } = input;
    if (flag(options, "schema")) return await schema();
    const config = await textOrFile(text(options, "config"), "--config", context.cwd);
    const request = { ...readRequest(context, manyArguments(input, 0), options), config };
    const { moduleFinder } = await import("../../sandbox/test/find-module.ts");
    const source = async (): Promise<Context & { readonly store: Awaited<ReturnType<typeof openStoreFor>> }> => ({
      ...context,
      store: await openStoreFor(context, options),
    });
    const deps = { cwd: context.cwd, signal: context.signal, find: moduleFinder(source, context.events) };
    const update = flag(options, "update");
    await tryReportFile(context, text(options, "reporterFile"));
    if (flag(options, "watch")) {
      const { watchTests } = await import("../../sandbox/test/watch-tests.ts");
      const show = async (run: TestRun): Promise<void> => {
        await printOutcome(await outcomeOf(context, options, run, update), context.terminal.stdout, context.global);
        context.events(WAITING);
      };
      const { printError } = await import("../print-error.ts");
      const { printOutcome } = await import("../render/outcome.ts");
      const failed = (error: unknown): void => {
        printError(error, { stderr: context.terminal.stderr, global: context.global });
        context.events(WAITING);
      };
      await watchTests(deps, request, { show, failed });
      context.signal.throwIfAborted();
      return { json: versioned("TestReport", {}), names: [], text: () => "" };
    }
    const { runTests } = await import("../../sandbox/test/run-tests.ts");
    const run = await runTests(deps, request);
    return await outcomeOf(context, options, run, update);
  },
};

/** Before the tests run: a report that cannot be written would lose what they showed. */
async function tryReportFile({ cwd }: Context, file: string | undefined): Promise<void> {
  if (file === undefined) return;
  const { createDraft } = await import("../../platform/atomic-file.ts");
  await (await createDraft(dirname(resolve(cwd, file)))).discard();
}

function readRequest(context: Context, paths: readonly string[], options: Values): RunTestsRequest {
  const module = text(options, "module");
  const profile = text(options, "profile");
  return {
    paths,
    module: module === undefined ? undefined : moduleOf(context, module),
    profile: profile === undefined ? undefined : choice(options, "profile", PROFILES, "envoy"),
    name: nameOf(text(options, "name")),
    strict: flag(options, "strict"),
    strictBudgets: flag(options, "strictBudgets"),
    bail: flag(options, "bail"),
    timeoutMs: Math.max(1, duration(options, "timeout", "1s")),
  };
}

/** What looks like a path is one; anything else may be a file, and is an image when there is none. */
function moduleOf({ cwd }: Context, module: string): NonNullable<RunTestsRequest["module"]> {
  if (/^(?:\.{0,2}[/\\]|\.{1,2}$)|\.wasm$/u.test(module)) return { path: resolve(cwd, module), folder: cwd };
  return { image: module, folder: cwd };
}

function nameOf(pattern: string | undefined): RegExp | undefined {
  if (pattern === undefined) return undefined;
  try {
    return new RegExp(pattern, "iu");
  } catch (error) {
    throw usageError("NAME_INVALID", `--name ${JSON.stringify(pattern)} is not a regular expression`, { cause: error });
  }
}

async function outcomeOf(context: Context, options: Values, run: TestRun, update: boolean): Promise<Outcome> {
  const { jsonReport } = await import("../../sandbox/test/report-json.ts");
  const reporter = choice(options, "reporter", REPORTERS, "text");
  const { report } = run;
  const changes = update ? await updated(context, run) : undefined;
  const json = versioned("TestReport", jsonReport(report));
  const rendered = await render(reporter, run);
  const file = text(options, "reporterFile");
  const { reportText } = await import("../../sandbox/test/report-text.ts");
  if (file !== undefined) {
    const { writeFileAtomic } = await import("../../platform/atomic-file.ts");
    const { createStyle } = await import("../../platform/terminal.ts");
    const content = rendered ?? `${reportText(report, createStyle(false))}\n`;
    await writeFileAtomic(resolve(context.cwd, file), Buffer.from(content));
  }
  const failed = changes === undefined ? json.failed : changes.left;
  return {
    json,
    names: report.results.filter(({ status }) => status !== "passed" && status !== "skipped").map(({ name }) => name),
    ...(rendered === undefined || file !== undefined ? {} : { raw: rendered }),
    text: (style) => (changes === undefined ? reportText(report, style) : changes.text(style)),
    exitCode: failed > 0 ? 1 : 0,
  };
}

async function updated(
  { cwd }: Context,
  run: TestRun,
): Promise<import("../../sandbox/test/update-files.ts").UpdateResult> {
  const { updateFiles } = await import("../../sandbox/test/update-files.ts");
  return await updateFiles(cwd, run);
}

async function render(reporter: (typeof REPORTERS)[number], { report }: TestRun): Promise<string | undefined> {
  switch (reporter) {
    case "text":
      return undefined;
    case "tap":
      return (await import("../../sandbox/test/report-tap.ts")).reportTap(report);
    case "junit":
      return (await import("../../sandbox/test/report-junit.ts")).reportJunit(report);
    case "json": {
      const { jsonReport } = await import("../../sandbox/test/report-json.ts");
      return `${JSON.stringify(versioned("TestReport", jsonReport(report)), undefined, 2)}\n`;
    }
  }
}

async function schema(): Promise<Outcome> {
  const { testFileSchema } = await import("../../sandbox/test/parse-test-file.ts");
  const json = testFileSchema();
  return { json, names: [], text: () => JSON.stringify(json, undefined, 2) };
}
