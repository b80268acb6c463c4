/**
 * A step of the AssemblyScript compiler (see `transform` in `asconfig.json`): of the callbacks in `exports.ts` it keeps
 * those that a class of the filter overrides. The proxy enters a module once for every callback it exports, so a
 * callback that nobody listens to costs time on each request. Without this step the module does the same, slower.
 */

const EXPORTS = "assembly/proxy-wasm/exports";
const BASES = ["assembly/proxy-wasm/root-context/RootContext", "assembly/proxy-wasm/stream-context/StreamContext"];

/** Callbacks the module needs for itself. */
const ALWAYS = new Set(["proxy_on_context_create", "proxy_on_vm_start", "proxy_on_configure", "proxy_on_delete"]);

export default class ExportOnlyUsed {
  afterInitialize(program) {
    const overridden = overriddenMethods(program);
    for (const file of program.filesByName.values()) {
      if (file.internalName !== EXPORTS || !file.exports) continue;
      for (const name of [...file.exports.keys()]) {
        if (!name.startsWith("proxy_on_") || ALWAYS.has(name) || overridden.has(methodName(name))) continue;
        file.exports.delete(name);
      }
    }
  }
}

/** `proxy_on_request_headers` calls `onRequestHeaders`. */
function methodName(callback) {
  return callback.slice("proxy_".length).replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
}

/** Names of all methods of classes that extend one of the two base classes, at any distance. */
function overriddenMethods(program) {
  const names = new Set();
  for (const element of program.elementsByDeclaration.values()) {
    if (!extendsContext(element.basePrototype)) continue;
    for (const name of element.instanceMembers?.keys() ?? []) names.add(name);
  }
  return names;
}

function extendsContext(prototype) {
  for (let base = prototype; base; base = base.basePrototype) {
    if (BASES.includes(base.internalName)) return true;
  }
  return false;
}
