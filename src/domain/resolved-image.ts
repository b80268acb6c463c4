import type { Digest } from "./digest.ts";
import type { ImageReference } from "./image-reference.ts";
import type { RuntimeConfig } from "./runtime-config.ts";

/** The layout an image was pushed in (`docs/reference/image-format.md`). */
export type ImageFormat = "oci" | "compat" | "cncf" | "wasm-to-oci" | "component";

/** Where an image was looked up. */
export type ImageSource = "registry" | "store";

/** What a reference means right now: the digests that must be pinned and what the image says about its module. */
export interface ResolvedImage {
  /** As asked for, tag kept. */
  readonly reference: ImageReference;
  readonly source: ImageSource;
  readonly format: ImageFormat;
  /** Digest of the manifest: what `oci://…@sha256:…` pins. */
  readonly manifestDigest: Digest;
  /** Digest of the wasm bytes: what a file name or an HTTP download pins. */
  readonly moduleDigest: Digest;
  /** Bytes of the module. */
  readonly moduleSize: number;
  /** As stored in the image; `undefined` when the layout carries none. */
  readonly runtimeConfig: RuntimeConfig | undefined;
  /** The schema of its plugin configuration as the manifest's annotation has it, unchecked; absent when it has none. */
  readonly configSchema?: string;
  /** True when its registry refuses it to who has no credentials; absent when it does not, and when nobody asked. */
  readonly isPrivate?: true;
  /** Why Istio's agent refuses this layout, a clause; absent when it takes the module out of it. */
  readonly proxyRefusal?: string;
}
