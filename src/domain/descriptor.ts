import { type Digest, digestOf } from "./digest.ts";

/** A pointer to content by digest and size (OCI image spec, descriptor.md). Keys in the order we write them. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly platform?: { readonly os?: string; readonly architecture?: string };
}

/** The annotation that names a layer's file. */
export const TITLE = "org.opencontainers.image.title";

/** The annotation of an index entry that names its reference (OCI image spec, annotations.md). */
export const REF_NAME = "org.opencontainers.image.ref.name";

/** Describes `bytes`. */
export function describe(mediaType: string, bytes: Uint8Array, annotations?: Record<string, string>): Descriptor {
  const base = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  return annotations === undefined ? base : { ...base, annotations };
}
