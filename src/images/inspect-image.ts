import { type BuildFacts, readBuildFacts } from "../domain/build-facts.ts";
import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import type { ImageReference } from "../domain/image-reference.ts";
import type { JsonObject } from "../domain/json.ts";
import type { ConsumerVerdict } from "../domain/layout-consumers.ts";
import type { ImageFormat, ImageSource } from "../domain/resolved-image.ts";
import type { RuntimeConfig } from "../domain/runtime-config.ts";
import { checkModule } from "../wasm/check-module.ts";
import type { ModuleReport } from "../wasm/module-report.ts";
import { readSchema, schemaText } from "./read-schema.ts";
import type { RemoteRepository } from "./remote.ts";
import { readWholeImage, type WholeImageDeps } from "./whole-image.ts";

/** Which image to look into, and where. */
export interface InspectRequest {
  readonly reference: ImageReference;
  readonly from: ImageSource;
}

/** Everything an image tells about itself. JSON-safe. */
export interface InspectResult {
  readonly reference: string;
  readonly source: ImageSource;
  readonly format: ImageFormat;
  readonly manifestDigest: Digest;
  readonly mediaType: string;
  /** The manifest as it stands. */
  readonly manifest: JsonObject;
  readonly moduleDigest: Digest;
  /** Bytes of the module. */
  readonly moduleSize: number;
  /** Absent when the image carries none. */
  readonly runtimeConfig?: RuntimeConfig;
  /** How the module was built, as the image says; absent when it does not. */
  readonly build?: Partial<BuildFacts>;
  /** JSON Schema of the plugin configuration; absent when the image carries none that can be read. */
  readonly configSchema?: JsonObject;
  /** Why what the image carries as one cannot be read. */
  readonly configSchemaProblem?: string;
  /** What the module is made of, what it may do, and whether a proxy loads it. */
  readonly module: ModuleReport;
  /** Which programs can read this layout. */
  readonly consumers: readonly ConsumerVerdict[];
  /** What the registry has attached to the manifest; absent in the store, and where the registry does not tell. */
  readonly attached?: readonly AttachedArtifact[];
}

/** A signature, software bill or other manifest that is about an image. */
export interface AttachedArtifact {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType?: string;
  /** Bytes of its manifest. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Looks into an image of the store or a registry: reads it whole, verified. The module is held in memory for it.
 * Throws `IMAGE_NOT_FOUND`, `MODULE_TOO_LARGE` (incompatible) above 256 MiB, and errors of store, registry and layout.
 */
export async function inspectImage(deps: WholeImageDeps, request: InspectRequest): Promise<InspectResult> {
  const { where, image, contents, module, consumers, repository } = await readWholeImage(deps, request);
  const { digest, mediaType } = image.descriptor;
  const { schema, problem } = readSchema(schemaText(image.manifest), where);
  const build = readBuildFacts(image.manifest.annotations ?? {});
  return {
    reference: where,
    source: request.from,
    format: contents.layout.format,
    manifestDigest: digest,
    mediaType,
    manifest: JSON.parse(new TextDecoder().decode(image.bytes)) as JsonObject,
    moduleDigest: contents.module.digest,
    moduleSize: contents.module.size,
    ...(contents.runtimeConfig === undefined ? {} : { runtimeConfig: contents.runtimeConfig }),
    ...(build === undefined ? {} : { build }),
    ...(schema === undefined ? {} : { configSchema: schema.schema }),
    ...(problem === undefined ? {} : { configSchemaProblem: problem }),
    module: checkModule(module),
    consumers,
    ...(repository === undefined ? {} : await attachedTo(repository, digest, deps.signal)),
  };
}

/** Many registries cannot tell, or not to everybody: that is no reason not to show the image. */
async function attachedTo(
  repository: RemoteRepository,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Pick<InspectResult, "attached">> {
  try {
    const found = await repository.referrers?.(digest, signal === undefined ? {} : { signal });
    if (found === undefined) return {};
    const attached = found.map(({ mediaType, artifactType, size, annotations, ...each }) => ({
      digest: each.digest,
      mediaType,
      ...(artifactType === undefined ? {} : { artifactType }),
      size,
      ...(annotations === undefined ? {} : { annotations }),
    }));
    return { attached };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof WasmeError) return {};
    throw error;
  }
}
