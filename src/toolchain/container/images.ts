import { WasmeError } from "../../domain/errors.ts";
import type { BuildLanguage } from "../runner.ts";

/** The image a build runs in. */
export interface BuilderImage {
  /** As the engine is told: `docker.io/library/golang:1.26`. */
  readonly reference: string;
  /**
   * `tools` holds a compiler, and wasme says how it is called; `builder` knows by itself how to build what is in
   * `/src/workspace`, as the image of the old tool did.
   */
  readonly kind: "tools" | "builder";
}

/** An image of a compiler. */
export interface ToolImage {
  readonly image: string;
  /** The only platform there is of it, for engines on other machines. */
  readonly platform?: string;
}

/**
 * The image that a language is built in unless another one is named: public ones of the compilers' makers, pinned by tag.
 * TinyGo's may be an older one, see `usualImage`.
 */
export const TOOL_IMAGES: Readonly<Record<BuildLanguage, ToolImage>> = {
  assemblyscript: { image: "docker.io/library/node:22-slim" },
  rust: { image: "docker.io/library/rust:1.95-slim" },
  go: { image: "docker.io/library/golang:1.26" },
  tinygo: { image: "docker.io/tinygo/tinygo:0.38.0" },
  cpp: { image: "docker.io/emscripten/emsdk:4.0.10", platform: "linux/amd64" },
};

/** The last builder image of the old tool, for its Bazel projects. */
const OLD_BUILDER = "quay.io/solo-io/ee-builder:0.0.33";

/** The label by which an image says what it is: `tools` or `builder`. */
export const KIND_LABEL = "io.wasme.builder";

/**
 * What an image that somebody has named is: what its label says; else one of a compiler when it is called like the
 * language's own (a mirror of it, another tag), and a builder otherwise.
 */
export function kindOf(language: BuildLanguage, reference: string, label: string | undefined): BuilderImage["kind"] {
  if (label === "tools" || label === "builder") return label;
  return nameOf(reference) === nameOf(TOOL_IMAGES[language].image) ? "tools" : "builder";
}

/** `rust` of `mirror.example:5000/library/rust:1.90@sha256:…`. */
function nameOf(reference: string): string {
  return (
    reference
      .replace(/@.*$/u, "")
      .split("/")
      .at(-1)
      ?.replace(/:[^:]*$/u, "") ?? ""
  );
}

/** The version in an image's tag: `0.38.0`; `undefined` when it names none. */
export function versionInTag(reference: string): string | undefined {
  return /:v?(\d+\.\d+(?:\.\d+)?)[^/:]*$/u.exec(reference.replace(/@.*$/u, ""))?.[1];
}

/** No image of ours can build this project. */
export function imageNeeded(what: string): WasmeError {
  return new WasmeError("usage", "BUILDER_IMAGE_NEEDED", `${what}; name the image that can build it`, {
    hint: `--builder container -i IMAGE; the old tool's was ${OLD_BUILDER}`,
  });
}
