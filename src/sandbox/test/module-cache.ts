import type { HostModule } from "../../host/host-module.ts";
import { loadModule } from "../../host/load-module.ts";
import type { ProfileName } from "../../host/profile.ts";

/** The modules of a run: each is compiled once for each profile. */
export class ModuleCache {
  readonly #bytes: ReadonlyMap<string, Uint8Array>;
  readonly #loaded = new Map<string, HostModule>();

  constructor(bytes: ReadonlyMap<string, Uint8Array>) {
    this.#bytes = bytes;
  }

  bytes(key: string): Uint8Array {
    const found = this.#bytes.get(key);
    if (found === undefined) throw new Error(`no module ${key} was sent`);
    return found;
  }

  /** Throws `ModuleRefused`. */
  load(key: string, profile: ProfileName): HostModule {
    const name = `${profile} ${key}`;
    const known = this.#loaded.get(name);
    if (known !== undefined) return known;
    const module = loadModule(this.bytes(key), { profile });
    this.#loaded.set(name, module);
    return module;
  }
}
