import type { CheckFinding } from "./check-finding.ts";
import { configViolations } from "./config-violations.ts";
import type { SchemaRead } from "./read-schema.ts";
import type { SmokeResult } from "./smoke-result.ts";

/**
 * What the schema of a plugin configuration gives reason to say: that it is none, or refuses the configuration. A
 * configuration that is not known yet is not held against it.
 */
export async function schemaFindings(
  { schema, problem }: SchemaRead,
  config: string | undefined,
  smoke: SmokeResult | undefined,
): Promise<readonly CheckFinding[]> {
  if (problem !== undefined) return [{ code: "CONFIG_SCHEMA_INVALID", severity: "warning", message: problem }];
  if (schema === undefined || config === undefined) return [];
  const violations = await configViolations(schema, config);
  if (violations === undefined || violations.length === 0) return [];
  const message = `the schema of its configuration refuses this one: ${violations.join("; ")}`;
  const taken = smoke?.outcome === "ran";
  return [
    {
      code: "CONFIG_UNFIT",
      severity: "error",
      message: taken ? `${message}; the module itself takes it` : message,
      hint: taken
        ? "one of the two is wrong: config.schema.json, or the module's check of its configuration"
        : "wasme inspect shows the schema",
    },
  ];
}
