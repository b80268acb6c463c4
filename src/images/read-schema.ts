import { CONFIG_SCHEMA_ANNOTATION, type ConfigSchema, parseConfigSchema } from "../domain/config-schema.ts";
import { WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import type { OciManifest } from "../domain/manifest.ts";
import { oneLine } from "../domain/one-line.ts";

/** What an image says its plugin configuration may be: the annotation as it stands, which anybody may have written. */
export function schemaText({ annotations }: Pick<OciManifest, "annotations">): string | undefined {
  return annotations?.[CONFIG_SCHEMA_ANNOTATION];
}

/** What came of reading a schema from an image: there may be none, and it may be none. */
export interface SchemaRead {
  readonly schema: ConfigSchema | undefined;
  /** Why what is there cannot be used, one sentence; absent when it can, or there is nothing. */
  readonly problem?: string;
}

/** Reads the schema of an image, `where`; one that is none is no reason to refuse the image. */
export function readSchema(text: string | undefined, where: string): SchemaRead {
  if (text === undefined) return { schema: undefined };
  try {
    return { schema: parseConfigSchema(text, `what ${where} carries`) };
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    return { schema: undefined, problem: oneLine(error.message, LONGEST) };
  }
}

/** {@link readSchema} with the problem as a warning. */
export function readSchemaOrWarn(text: string | undefined, where: string, events: EventSink): ConfigSchema | undefined {
  const { schema, problem } = readSchema(text, where);
  if (problem !== undefined) {
    events({ type: "warning", message: problem, hint: "configurations are not held against it" });
  }
  return schema;
}

const LONGEST = 300;
