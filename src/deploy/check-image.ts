import { ABI_VERSIONS, abiLabel } from "../domain/abi-version.ts";
import { WasmeError } from "../domain/errors.ts";
import { formatReference } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { rootIdsOf } from "../domain/runtime-config.ts";

/** What the image says about how its module is to be run. */
export interface ImageFindings {
  readonly rootId: string;
  /** Told to the user beside the plan. */
  readonly notes: readonly string[];
}

/**
 * Looks at what the image says of its module: a layout and an ABI proxies can run, and the root id to use. What it
 * does not say is a note, what contradicts is `MODULE_INCOMPATIBLE` (incompatible) unless `check` is false.
 */
export function examineImage(
  image: ResolvedImage,
  wanted: { rootId: string | undefined; check: boolean },
): ImageFindings {
  const notes: string[] = [];
  if (wanted.check) {
    refuseComponent(image);
    notes.push(...abiNotes(image));
  }
  return { rootId: chooseRootId(image, wanted.rootId, notes), notes };
}

function refuseComponent(image: ResolvedImage): void {
  if (image.format !== "component") return;
  const what = `${formatReference(image.reference)} is a WebAssembly component, and proxies run core modules`;
  throw new WasmeError("incompatible", "MODULE_INCOMPATIBLE", what, { hint: "build it as a Proxy-Wasm module" });
}

function abiNotes(image: ResolvedImage): readonly string[] {
  const abis = image.runtimeConfig?.abiVersions ?? [];
  if (abis.length === 0) return ["the image does not say which Proxy-Wasm ABI its module speaks"];
  if (abis.some((abi) => KNOWN.has(abi) || HASHED.test(abi))) return [];
  const known = [...KNOWN].join(", ");
  throw new WasmeError(
    "incompatible",
    "MODULE_INCOMPATIBLE",
    `${formatReference(image.reference)} is for the Proxy-Wasm ABI ${abis.join(", ")}; Envoy speaks ${known}`,
    { hint: "build it for one of these, or deploy with --no-check if the image is mislabelled" },
  );
}

function chooseRootId(image: ResolvedImage, wanted: string | undefined, notes: string[]): string {
  const named = rootIdsOf(image.runtimeConfig);
  if (wanted === undefined) {
    if (named.length === 0)
      notes.push("no root id: the image names none, so the module's unnamed root context is used");
    if (named.length > 1) notes.push(`root id ${named[0] ?? ""}, the first of ${named.join(", ")}`);
    return named[0] ?? "";
  }
  if (named.length > 0 && !named.includes(wanted)) {
    notes.push(`the image names the root ids ${named.join(", ")}, not ${JSON.stringify(wanted)}`);
  }
  return wanted;
}

const KNOWN: ReadonlySet<string> = new Set(ABI_VERSIONS.map((abi) => abiLabel(abi)));
/** The 2020 tools wrote a commit where a version belongs, also into modules that speak 0.1.0 or 0.2.0: it says nothing. */
const HASHED = /^v0-[0-9a-f]{40}$/u;
