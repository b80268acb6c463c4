/** Media types we write or read. Sources: OCI image spec, the wasm OCI image spec (Solo), the CNCF wasm artifact. */
export const MediaType = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociTarGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociEmpty: "application/vnd.oci.empty.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerManifestV1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerManifestV1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerTarGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  soloConfig: "application/vnd.module.wasm.config.v1+json",
  soloModule: "application/vnd.module.wasm.content.layer.v1+wasm",
  cncfConfig: "application/vnd.wasm.config.v0+json",
  cncfModule: "application/wasm",
  wasmToOciConfig: "application/vnd.wasm.config.v1+json",
  wasmToOciModule: "application/vnd.wasm.content.layer.v1+wasm",
  componentModule: "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
  spinConfig: "application/vnd.fermyon.spin.application.v1+config",
} as const;

/** What we ask for when we fetch a manifest: single manifests first, then indexes. */
export const MANIFEST_ACCEPT: readonly string[] = [
  MediaType.ociManifest,
  MediaType.dockerManifest,
  MediaType.ociIndex,
  MediaType.dockerIndex,
];

/** True for an index or manifest list. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MediaType.ociIndex || mediaType === MediaType.dockerIndex;
}

/**
 * True for a layer that a registry need not have, since its licence keeps it from being distributed there (OCI image
 * spec, layer.md "Non-Distributable Layers"; Docker's foreign layers).
 */
export function isNonDistributable(mediaType: string): boolean {
  return /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.|docker\.image\.rootfs\.foreign\.)/u.test(
    mediaType,
  );
}

/** The media type without parameters and in lower case, as headers must be compared. */
export function bareMediaType(header: string | undefined): string | undefined {
  return header?.split(";", 1)[0]?.trim().toLowerCase();
}
