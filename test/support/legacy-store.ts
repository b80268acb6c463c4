import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** An image as the old tool stored it; the files may be given as they are, to break them. */
export interface MadeLegacyImage {
  readonly module: Uint8Array;
  readonly config: string;
  readonly descriptor?: string;
}

/** Writes an image the way wasme 0.0.33 did, and gives its folder. */
export function writeLegacyImage(dir: string, reference: string, image: MadeLegacyImage): string {
  const folder = join(dir, createHash("md5").update(reference).digest("hex"));
  mkdirSync(folder, { recursive: true });
  const digest = `sha256:${createHash("sha256").update(image.module).digest("hex")}`;
  const title = { "org.opencontainers.image.title": "filter.wasm" };
  const mediaType = "application/vnd.module.wasm.content.layer.v1+wasm";
  writeFileSync(join(folder, "image_ref"), reference);
  const described = JSON.stringify({ mediaType, digest, size: image.module.byteLength, annotations: title });
  writeFileSync(join(folder, "descriptor.json"), image.descriptor ?? described);
  writeFileSync(join(folder, "filter.wasm"), image.module);
  writeFileSync(join(folder, "runtime-config.json"), image.config);
  return folder;
}

/** The 30,016 bytes of a module whose image the old tool gave a known digest: a custom section of chained hashes. */
export function vectorModule(): Uint8Array {
  const hash = (bytes: Uint8Array | string): Buffer => createHash("sha256").update(bytes).digest();
  const padding: Buffer[] = [];
  for (let next = hash("seed"); padding.length * 32 < 30_000; next = hash(next)) padding.push(next);
  const section = Buffer.concat([Buffer.from("\u0003pad"), Buffer.concat(padding).subarray(0, 30_000)]);
  const header = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, 0xb4, 0xea, 0x01]);
  return Buffer.concat([header, section]);
}
