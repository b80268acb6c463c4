import type { Fetcher } from "../domain/content.ts";
import type { OciManifest } from "../domain/manifest.ts";
import { isTarGzip } from "../domain/wasm-layout.ts";
import type { ReadOptions } from "./read-image.ts";

/**
 * Whether the last layer holds a module, when it is tar+gzip: proxies look into it, also where the module is found
 * elsewhere. Empty when the last layer is anything else. `packing` is how the module that was found is packed.
 */
export async function pluginInLast(
  source: Fetcher,
  { layers }: OciManifest,
  options: ReadOptions & { readonly packing: "raw" | "tar+gzip" },
): Promise<{ readonly pluginInLast?: boolean }> {
  const last = layers.at(-1);
  if (last === undefined || !isTarGzip(last)) return {};
  if (options.packing === "tar+gzip") return { pluginInLast: true };
  const { holdsModule } = await import("./packed-layer.ts");
  return { pluginInLast: await holdsModule(source, last, options) };
}
