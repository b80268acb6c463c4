import { abiLabel, type AbiVersion } from "../domain/abi-version.ts";
import { hostImport } from "./host-imports.ts";
import { adviseOnImport } from "./import-advice.ts";
import type { ModuleImport } from "./imports.ts";
import type { ModuleProblem } from "./module-report.ts";
import { formatType, sameType } from "./types.ts";

/** The imports that keep a proxy from linking the module, each named once, in order. */
export function checkImports(imports: readonly ModuleImport[], abi: AbiVersion): readonly ModuleProblem[] {
  const problems = new Map<string, ModuleProblem>();
  for (const item of imports) {
    const problem = checkImport(item, abi);
    if (problem !== undefined && !problems.has(problem.message)) problems.set(problem.message, problem);
  }
  return [...problems.values()];
}

function checkImport(item: ModuleImport, abi: AbiVersion): ModuleProblem | undefined {
  const subject = `${item.module}.${item.name}`;
  switch (item.kind) {
    case "function":
      return checkFunction(item, abi);
    case "memory":
    case "table":
      return undefined; // a proxy makes one; the report warns
    case "global":
    case "tag": {
      const message = `imports the ${item.kind} ${subject}, and proxies offer functions only`;
      const hint = "build it as a whole module, not as a library to be linked at run time";
      return { code: "MODULE_UNKNOWN_IMPORT", kind: "incompatible", message, hint, subject };
    }
  }
}

function checkFunction(item: Extract<ModuleImport, { kind: "function" }>, abi: AbiVersion): ModuleProblem | undefined {
  const subject = `${item.module}.${item.name}`;
  const host = hostImport(item.module, item.name);
  if (host === undefined || !host.abis.includes(abi)) {
    const message = `imports ${subject}, which no proxy offers to ABI ${abiLabel(abi)}`;
    const hint = adviseOnImport(item.module, item.name, abi);
    return {
      code: "MODULE_UNKNOWN_IMPORT",
      kind: "incompatible",
      message,
      subject,
      ...(hint === undefined ? {} : { hint }),
    };
  }
  if (sameType(host.type, item.type)) return undefined;
  const types = `want: ${formatType(item.type)}, host offers: ${formatType(host.type)}`;
  return {
    code: "MODULE_IMPORT_TYPE",
    kind: "incompatible",
    message: `imports ${subject} with a wrong type (${types})`,
    hint: "correct the declaration, or use an SDK that fits the ABI the module declares",
    subject,
  };
}
