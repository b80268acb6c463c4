import { randomBytes } from "node:crypto";
import { MediaType } from "../../src/domain/media-types.ts";
import { type Algorithm, digestWith } from "./hub-uploads-support.ts";

/** A descriptor as a test writes it. */
export interface SpecDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly [more: string]: unknown;
}

/** A manifest to be pushed. */
interface SpecManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: string;
}

/** A kind of content the spec knows: blobs, manifests in the order they are pushed, tags, referrers. */
export interface SpecContent {
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly manifests: readonly SpecManifest[];
  /** Digests by tag. */
  readonly tags: ReadonlyMap<string, string>;
  /** What the referrers of each subject are to be. */
  readonly referrers: ReadonlyMap<string, readonly SpecDescriptor[]>;
}

type Json = Readonly<Record<string, unknown>>;

/** Makes content piece by piece. */
class Builder implements SpecContent {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests: SpecManifest[] = [];
  readonly tags = new Map<string, string>();
  readonly referrers = new Map<string, SpecDescriptor[]>();
  readonly #algorithm: Algorithm;

  constructor(algorithm: Algorithm = "sha256") {
    this.#algorithm = algorithm;
  }

  blob(mediaType: string, bytes: Buffer = randomBytes(300), more: Json = {}): SpecDescriptor {
    const digest = digestWith(this.#algorithm, bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.byteLength, ...more };
  }

  /** An image of two layers; `more` replaces and adds keys. */
  image(more: Json = {}, tag?: string): SpecDescriptor {
    const config = this.blob(MediaType.ociConfig);
    const layers = [this.blob(MediaType.ociTarGzip), this.blob(MediaType.ociTarGzip)];
    return this.manifest(MediaType.ociManifest, { config, layers, ...more }, tag);
  }

  artifact(artifactType: string, more: Json = {}, tag?: string): SpecDescriptor {
    const config = this.blob(MediaType.ociEmpty, Buffer.from("{}"));
    return this.image({ artifactType, config, layers: [this.blob(artifactType)], ...more }, tag);
  }

  index(manifests: readonly SpecDescriptor[], more: Json = {}, tag?: string): SpecDescriptor {
    return this.manifest(MediaType.ociIndex, { manifests, ...more }, tag);
  }

  manifest(mediaType: string, content: Json, tag?: string): SpecDescriptor {
    const value: Json = { schemaVersion: 2, mediaType, ...content };
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = digestWith(this.#algorithm, bytes);
    this.manifests.push({ bytes, mediaType, digest });
    if (tag !== undefined) this.tags.set(tag, digest);
    const subject = value["subject"] as SpecDescriptor | undefined;
    const descriptor: SpecDescriptor = { mediaType, digest, size: bytes.byteLength };
    if (subject !== undefined) this.#refer(subject.digest, descriptor, value);
    return descriptor;
  }

  #refer(subject: string, descriptor: SpecDescriptor, value: Json): void {
    const config = value["config"] as SpecDescriptor | undefined;
    const artifactType = value["artifactType"] ?? config?.mediaType;
    const { annotations } = value;
    const listed = {
      ...descriptor,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    };
    this.referrers.set(subject, [...(this.referrers.get(subject) ?? []), listed]);
  }
}

const TYPE_A = "application/vnd.example.a";
const TYPE_B = "application/vnd.example.b";
const NOTE = { annotations: { "org.example.note": "hello" } };

/** Every kind of content a registry must take. */
export const CONTENTS: Readonly<Record<string, () => SpecContent>> = {
  "an image": () => make((to) => to.image({}, "image")),
  "an image without mediaType": () => make((to) => to.image({ mediaType: undefined }, "image")),
  "an image in Docker's form": () =>
    make((to) => {
      const config = to.blob(MediaType.dockerConfig);
      to.manifest(MediaType.dockerManifest, { config, layers: [to.blob(MediaType.dockerTarGzip)] }, "docker");
    }),
  "a manifest list of Docker": () =>
    make((to) => {
      const config = to.blob(MediaType.dockerConfig);
      const child = to.manifest(MediaType.dockerManifest, { config, layers: [to.blob(MediaType.dockerTarGzip)] });
      to.manifest(MediaType.dockerIndex, { manifests: [child] }, "docker-list");
    }),
  "a manifest of nearly 4 MiB": () =>
    make((to) => {
      const many = Array.from({ length: 390 }, (_, at) => [`large-annotation-${at}`, "A".repeat(10_000)]);
      to.image({ annotations: Object.fromEntries(many) as Json }, "large");
    }),
  "an index": () => make((to) => to.index([to.image(), to.image()], {}, "index")),
  "an index of indexes": () =>
    make((to) => to.index([to.index([to.image(), to.image()]), to.index([to.image()])], {}, "nested")),
  "an empty index": () => make((to) => to.index([], {}, "empty")),
  "an index whose children are not there": () =>
    make((to) =>
      to.index([{ mediaType: MediaType.ociManifest, digest: digestWith("sha256", "no"), size: 2 }], {}, "s"),
    ),
  "an artifact": () => make((to) => to.artifact(TYPE_A, {}, "artifact")),
  "an index of artifacts": () =>
    make((to) => to.index([to.artifact(TYPE_A), to.artifact(TYPE_B)], { artifactType: TYPE_A }, "artifacts")),
  "an artifact of nothing": () =>
    make((to) => to.artifact(TYPE_A, { layers: [to.blob(MediaType.ociEmpty, Buffer.from("{}"))] }, "nothing")),
  "artifacts with a subject": () =>
    make((to) => {
      const subject = to.image({}, "subject");
      to.image({ subject });
      to.artifact(TYPE_A, { subject, ...NOTE }, "artifact-a");
      to.artifact(TYPE_B, { subject, ...NOTE }, "artifact-b");
      to.image({ subject, config: to.blob(TYPE_A) });
    }),
  "an index with a subject": () =>
    make((to) => {
      const subject = to.index([to.image()], {}, "index");
      to.index([to.artifact(TYPE_A)], { subject, artifactType: TYPE_A, ...NOTE }, "referrer");
      to.index([], { subject });
    }),
  "an artifact whose subject is not there": () =>
    make((to) => {
      const subject = { mediaType: MediaType.ociManifest, digest: digestWith("sha256", randomBytes(9)), size: 123 };
      to.artifact(TYPE_A, { subject, ...NOTE }, "early");
    }),
  "descriptors with their data": () =>
    make((to) => {
      const bytes = randomBytes(40);
      const config = to.blob(MediaType.ociConfig, bytes, { data: bytes.toString("base64"), newField: "aGVsbG8=" });
      to.image({ config }, "data");
    }),
  "layers that may not be distributed": () =>
    make((to) => {
      const away = (mediaType: string): SpecDescriptor => {
        const digest = digestWith("sha256", randomBytes(9));
        return { mediaType, digest, size: 12_345, urls: [`https://store.example.com/${digest}`] };
      };
      const type = "application/vnd.oci.image.layer.nondistributable.v1.tar";
      to.image({ layers: [away(`${type}+gzip`), away(type), to.blob(MediaType.ociTarGzip)] }, "away");
    }),
  "fields nobody knows": () => make((to) => to.index([to.image({ "org.example": [1] })], { more: { a: 1 } }, "custom")),
  "an image without layers": () => make((to) => to.image({ layers: [] }, "no-layers")),
  "sha512 digests": () => make((to) => to.index([to.image(), to.image()]), "sha512"),
};

function make(fill: (to: Builder) => unknown, algorithm?: Algorithm): SpecContent {
  const builder = new Builder(algorithm);
  fill(builder);
  return builder;
}
