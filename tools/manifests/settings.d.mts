import type { CacheSettings } from "../../src/mesh/cache-objects.ts";
import type { OperatorSettings } from "../../src/mesh/operator-objects.ts";

/** What the commands take when nothing is said, for this version of wasme. */
export declare function defaults(version: string): {
  readonly cache: CacheSettings;
  readonly operator: OperatorSettings;
};
