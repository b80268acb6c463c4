import type { Language } from "../../scaffold/catalogue.ts";
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
    "Write a filter project into a new or empty folder: source, tests, lock file and runtime config, ready for wasme " +
    "test and wasme build. A template is one that comes with wasme, a folder, or a git repository (https, ssh, file), " +
    "of which nothing is run.",
  examples: [
    { command: "wasme init hello", does: "asks for a language and a template" },
    { command: "wasme init hello --language assemblyscript", does: "its first template; needs Node alone to build" },
    { command: "wasme init guard --language rust --template basic-auth", does: "another template" },
    { command: "wasme init --list", does: "what there is to choose from" },
    {
      command: "wasme init mine --template https://git.example.com/acme/filters.git//auth#v1",
      does: "the folder auth of a repository, at its tag v1",
    },
  ],
  arguments: [{ name: "[dir]", description: "folder to write into; default .", complete: "directory" }],
  options: [
    { flags: "--language <language>", description: "language of the filter", complete: "language" },
    {
      flags: "--template <template>",
      description: "template of that language, a folder, or URL[//FOLDER][#REF]; the language's first one when absent",
      complete: "template",
    },
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
  const result = await initProject(context, request, context.events);
  const { warnOfMissingTool } = await import("../missing-tool.ts");
  await warnOfMissingTool(context, result.language);
  return outcome(result);
}

interface Choice {
  readonly language?: string;
  readonly template?: string;
}

/** Flags decide; what is missing is asked, or has one answer only. */
async function choose(context: Context, { options }: Input): Promise<Choice> {
  const { parseTemplateSource } = await import("../../scaffold/template-source.ts");
  const [named, template] = [text(options, "language"), text(options, "template")];
  const given = {
    ...(named === undefined ? {} : { language: named }),
    ...(template === undefined ? {} : { template }),
  };
  if (template !== undefined && (named !== undefined || parseTemplateSource(template).kind !== "catalogue"))
    return given;
  const { findLanguage, languagesWith, loadCatalogue } = await import("../../scaffold/catalogue.ts");
  const { canAsk } = await import("../prompt.ts");
  const catalogue = await loadCatalogue();
  const input = context.global.input && !flag(options, "disablePrompt");
  const quiet = { ...context, global: { ...context.global, input } };
  const offered = template === undefined ? catalogue : languagesWith(catalogue, template);
  const language = findLanguage(catalogue, named ?? (await askLanguage(quiet, offered)));
  if (template !== undefined) return { language: language.name, template };
  if (language.templates.length === 1 || !canAsk(quiet)) return { language: language.name };
  return { language: language.name, template: await askTemplate(quiet, language) };
}

async function askLanguage(context: Context, languages: readonly Language[]): Promise<string> {
  const [only, ...more] = languages;
  if (only !== undefined && more.length === 0) return only.name;
  const { askChoice } = await import("../prompt.ts");
  return await askChoice(context, {
    message: "Language of the filter",
    flag: `--language ${languages.map((language) => language.name).join("|")}`,
    choices: languages.map((language) => ({ name: language.title, value: language.name })),
  });
}

async function askTemplate(context: Context, { templates }: Language): Promise<string> {
  const { askChoice } = await import("../prompt.ts");
  const width = Math.max(...templates.map(({ name }) => name.length));
  return await askChoice(context, {
    message: "Template",
    flag: "--template",
    choices: templates.map(({ name, summary }) => ({ name: `${name.padEnd(width)}  ${summary}`, value: name })),
  });
}

function outcome(result: InitResult): Outcome {
  return {
    json: versioned("InitResult", result),
    names: [result.directory],
    text: (style) =>
      [
        ...result.tree,
        "",
        ...(result.notes === undefined ? [] : [result.notes, ""]),
        `Next: ${style.bold(result.nextCommand)}`,
        ...result.laterCommands.map((command) => `      ${command}`),
      ].join("\n"),
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
