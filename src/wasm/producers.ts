import { BinaryReader, MalformedModule } from "./binary-reader.ts";
import type { ParsedModule } from "./parse-module.ts";

/** A tool or language and its version as written, maybe empty. */
export interface Producer {
  readonly name: string;
  readonly version: string;
}

/** What the `producers` custom section says (tool conventions, ProducersSection.md); empty lists when it is absent. */
export interface Producers {
  readonly languages: readonly Producer[];
  readonly tools: readonly Producer[];
  readonly sdks: readonly Producer[];
}

const NONE: Producers = { languages: [], tools: [], sdks: [] };

/** Reads the section. It is a remark, not part of the module: one that cannot be read counts as absent. */
export function readProducers(module: ParsedModule): Producers {
  const section = module.sections.find((item) => item.name === "producers");
  if (section === undefined) return NONE;
  try {
    return readFields(new BinaryReader(module.bytes, section.start, section.end));
  } catch (error) {
    if (error instanceof MalformedModule) return NONE;
    throw error;
  }
}

function readFields(reader: BinaryReader): Producers {
  const fields = new Map<string, Producer[]>();
  for (let left = reader.count("fields"); left > 0; left -= 1) {
    const field = reader.name();
    const values: Producer[] = [];
    for (let more = reader.count("values"); more > 0; more -= 1)
      values.push({ name: reader.name(), version: reader.name() });
    fields.set(field, values);
  }
  return {
    languages: fields.get("language") ?? [],
    tools: fields.get("processed-by") ?? [],
    sdks: fields.get("sdk") ?? [],
  };
}
