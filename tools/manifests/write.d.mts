import type { buildCacheObjects } from "../../src/mesh/cache-objects.ts";
import type { buildOperatorKinds, buildOperatorProgram } from "../../src/mesh/operator-objects.ts";

/** The one source of all manifests. */
export interface Builders {
  readonly buildCacheObjects: typeof buildCacheObjects;
  readonly buildOperatorKinds: typeof buildOperatorKinds;
  readonly buildOperatorProgram: typeof buildOperatorProgram;
}

/** Writes the folder anew, in one move. */
export declare function writeManifests(directory: string, version: string, builders: Builders): Promise<void>;

/** The text of each file by its path within the folder. */
export declare function manifestFiles(version: string, builders: Builders): Readonly<Record<string, string>>;
