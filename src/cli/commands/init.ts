import type { InitResult } from "../../scaffold/init-project.ts";
import { type CommandSpec, type Input, optionalArgument } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { flag, text } from "../options/read.ts";
import { type Outcome, versioned } from "../outcome.ts";
import { renderTable } from "../render/table.ts";

/** `wasme init [DIR]`: a filter project from a template. */
export const init: CommandSpec = {
  name: "init",
  summary: "Create a filter project from a template",
  description:
    "Write a filter project into a new or empty folder: source, SDK, lock file and runtime config, ready for wasme build.",
  examples: [
    { command: "wasme init hello", does: "asks for a language and a template" },
    { command: "wasme init hello --language assemblyscript", does: "needs Node alone to build" },
    { command: "wasme init --list", does: "what there is to choose from" },
  ],
  arguments: [{ name: "[dir]", description: "folder to write into; default .", complete: "directory" }],
  options: [
    { flags: "--language <language>", description: "language of the filter", complete: ["assemblyscript"] },
    { flags: "--template <template>", description: "template of that language; its first one when absent" },
    { flags: "--platform <name>", description: "noted in the README, for example istio" },
    { flags: "--platform-version <version>", description: "noted in the README" },
    { flags: "--force", description: "write into a folder that is not empty, over files of the same name" },
    { flags: "--list", description: "list languages and templates" },
    { flags: "--disable-prompt", description: "the same as --no-input", hidden: true },
  ],
  run: async (context, input) => (flag(input.options, "list") ? await listTemplates() : await create(context, input)),
};

async function create(context: Context, input: Input): Promise<Outcome> {
  const { initProject } = await import("../../scaffold/init-project.ts");
  const { options } = input;
  const [platform, platformVersion] = [text(options, "platform"), text(options, "platformVersion")];
  const choice = await choose(context, input);
  const request = {
    directory: optionalArgument(input, 0) ?? ".",
    ...choice,
    force: flag(options, "force"),
    ...(platform === undefined ? {} : { platform }),
    ...(platformVersion === undefined ? {} : { platformVersion }),
  };
  return outcome(await initProject({ cwd: context.cwd, signal: context.signal }, request, context.events));
}

/** Flags decide; what is missing is asked, or has one answer only. */
async function choose(context: Context, { options }: Input): Promise<{ language: string; template?: string }> {
  const { findLanguage, loadCatalogue } = await import("../../scaffold/catalogue.ts");
  const { askChoice, canAsk } = await import("../prompt.ts");
  const catalogue = await loadCatalogue();
  const quiet = {
    ...context,
    global: { ...context.global, input: context.global.input && !flag(options, "disablePrompt") },
  };
  const name =
    text(options, "language") ??
    (await askChoice(quiet, {
      message: "Language of the filter",
      flag: `--language ${catalogue.map((language) => language.name).join("|")}`,
      choices: catalogue.map((language) => ({ name: language.title, value: language.name })),
    }));
  const language = findLanguage(catalogue, name);
  const template = text(options, "template");
  if (template !== undefined) return { language: language.name, template };
  if (language.templates.length === 1 || !canAsk(quiet)) return { language: language.name };
  const choices = language.templates.map((item) => ({ name: `${item.name}: ${item.summary}`, value: item.name }));
  return {
    language: language.name,
    template: await askChoice(quiet, { message: "Template", flag: "--template", choices }),
  };
}

function outcome(result: InitResult): Outcome {
  return {
    json: versioned("InitResult", result),
    names: [result.directory],
    text: (style) => [...result.tree, "", `Next: ${style.bold(result.nextCommand)}`].join("\n"),
  };
}

async function listTemplates(): Promise<Outcome> {
  const { loadCatalogue } = await import("../../scaffold/catalogue.ts");
  const catalogue = await loadCatalogue();
  const templates = catalogue.flatMap((language) =>
    language.templates.map(({ name, summary }) => ({ language: language.name, template: name, summary })),
  );
  const columns = [{ title: "LANGUAGE" }, { title: "TEMPLATE" }, { title: "WHAT IT DOES", minWidth: 20 }];
  return {
    json: versioned("TemplateList", { templates }),
    names: templates.map(({ language, template }) => `${language}/${template}`),
    text: (_style, width) =>
      renderTable(
        columns,
        templates.map((row) => [row.language, row.template, row.summary]),
        width,
      ),
  };
}
