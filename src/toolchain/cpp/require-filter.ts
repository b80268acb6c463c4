import { readFile } from "node:fs/promises";
import { WasmeError } from "../../domain/errors.ts";
import { parseModule, type ParsedModule } from "../../wasm/parse-module.ts";

/**
 * Makes sure that a module says which Proxy-Wasm ABI it speaks: one that does not has classes and forgot to register
 * them. Throws `FILTER_NOT_REGISTERED` (build-failed). What is no module at all is for the check behind every build.
 */
export async function requireFilter(modulePath: string): Promise<void> {
  let module: ParsedModule;
  try {
    module = parseModule(new Uint8Array(await readFile(modulePath)));
  } catch {
    return;
  }
  if (module.exports.some(({ name }) => name.startsWith("proxy_abi_version_"))) return;
  throw new WasmeError("build-failed", "FILTER_NOT_REGISTERED", "the sources compile, and register no filter", {
    hint: 'put PROXY_WASM_FILTER("root_id", YourClass) behind the class, outside every function',
  });
}
