import { escapeControls, stripControls } from "../../domain/redact.ts";
import type { Channel } from "../../platform/terminal.ts";
import type { GlobalOptions } from "../context.ts";
import type { Outcome } from "../outcome.ts";

/** Prints a result once, in the form asked for. */
export async function printOutcome(
  outcome: Outcome,
  stdout: Channel,
  global: Pick<GlobalOptions, "output" | "quiet">,
): Promise<void> {
  const text = await format(outcome, stdout, global);
  if (text !== "") stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

async function format(
  outcome: Outcome,
  stdout: Channel,
  { output, quiet }: Pick<GlobalOptions, "output" | "quiet">,
): Promise<string> {
  if (outcome.raw !== undefined && output !== "json") return outcome.raw;
  if (output === "json") return escapeControls(JSON.stringify(jsonDocument(outcome), undefined, 2));
  const asYaml = output === "yaml" || (output === "text" && !quiet && outcome.preferYaml === true);
  if (asYaml) return await yamlDocuments(outcome.documents ?? [outcome.json]);
  if (output === "name" || quiet) return stripControls(outcome.names.join("\n"));
  return stripControls(outcome.text(stdout.style, stdout.width), { keepStyle: true });
}

/** Exactly one document: several Kubernetes objects become one `v1` List, as kubectl prints them. */
function jsonDocument({ json, documents }: Outcome): unknown {
  if (documents === undefined) return json;
  return documents.length === 1 ? documents[0] : { apiVersion: "v1", kind: "List", items: documents };
}

async function yamlDocuments(documents: readonly unknown[]): Promise<string> {
  const { stringify } = await import("yaml");
  const write = (quoted: boolean): string =>
    documents
      .map((document) => stringify(document, quoted ? { ...YAML, defaultStringType: "QUOTE_DOUBLE" } : YAML))
      .join("---\n");
  const plain = write(false);
  // Only what is quoted can hold escapes.
  return stripControls(plain) === plain ? plain : escapeControls(write(true));
}

/**
 * Line width 0: a plugin config folded over several lines is hard to read and to diff. 1.1: kubectl reads YAML by its
 * rules, by which an unquoted `on` or `1:30` is no string.
 */
const YAML = { lineWidth: 0, version: "1.1", aliasDuplicateObjects: false } as const;
