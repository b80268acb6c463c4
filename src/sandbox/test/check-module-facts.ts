import type { HostModule } from "../../host/host-module.ts";
import type { Checks } from "./checks.ts";
import type { ModuleExpectation } from "./model-expect.ts";
import type { Place } from "./shape.ts";

/** Holds a module against what a test expects it to be made of. */
export function checkModuleFacts(checks: Checks, expect: ModuleExpectation, at: Place, module: HostModule): void {
  const { abi, imports = [], importsAbsent = [], callbacks = [], maxBytes } = expect;
  if (abi !== undefined) checks.value([...at, "abi"], "ABI version", abi, module.abi);
  const imported = new Set(module.imports.flatMap((name) => [name, name.slice(name.indexOf(".") + 1)]));
  const exported = new Set(module.callbacks);
  const each = (key: string, names: readonly string[], wrong: (name: string) => string | undefined): void => {
    for (const [place, name] of names.entries()) {
      const message = wrong(name);
      if (message !== undefined) checks.fail([...at, key, place], message);
    }
  };
  each("imports", imports, (name) => (imported.has(name) ? undefined : `the module does not import ${name}`));
  each("importsAbsent", importsAbsent, (name) => (imported.has(name) ? `the module imports ${name}` : undefined));
  each("callbacks", callbacks, (name) => (exported.has(name) ? undefined : `the module does not export ${name}`));
  if (maxBytes === undefined || module.size <= maxBytes) return;
  const message = `the module has ${module.size} bytes, expected at most ${maxBytes}`;
  checks.fail([...at, "maxBytes"], message, { expected: `at most ${maxBytes}`, actual: String(module.size) });
}
