import { abiLabel } from "../domain/abi-version.ts";
import { bytesSource } from "../domain/content.ts";
import { type Digest, digestOf } from "../domain/digest.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import type { RuntimeConfig } from "../domain/runtime-config.ts";
import { type PackExtras, packOci } from "../domain/wasm-image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { assertLoadable, checkModule } from "../wasm/check-module.ts";
import type { ModuleReport } from "../wasm/module-report.ts";
import { readInputFile } from "./input-files.ts";
import { moduleNotes } from "./stored-image.ts";
import { requireTag } from "./tag-image.ts";

/** A compiled module and the name it gets. */
export interface ImportRequest {
  /** Path of the `.wasm` file. */
  readonly file: string;
  readonly reference: ImageReference;
  /** Derived from the module when absent. */
  readonly runtimeConfig?: RuntimeConfig | undefined;
  /** False stores a module no proxy will load, with a warning; what is no module at all is refused even so. */
  readonly check: boolean;
  /** The time to write into the image (`SOURCE_DATE_EPOCH`); none when absent. */
  readonly created?: Date | undefined;
  /** Of the manifest, beside those that the format needs. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** What was stored. */
export interface ImportResult {
  readonly reference: string;
  readonly manifestDigest: Digest;
  readonly moduleDigest: Digest;
  /** Bytes of the module. */
  readonly moduleSize: number;
  readonly runtimeConfig: RuntimeConfig;
  /** True when the runtime config was derived from the module. */
  readonly derived: boolean;
  readonly report: ModuleReport;
}

/**
 * Checks a module and stores it under its name, in the `oci` format. Everything is checked before anything is written.
 * The module is held in memory: the engine that validates its code needs it whole.
 * Throws errors of the check (usage, incompatible), of the input files (usage) and of the disk.
 */
export async function importImage(
  deps: { readonly store: Pick<ImageStore, "push" | "tag">; readonly signal?: AbortSignal },
  request: ImportRequest,
  events: EventSink = ignoreEvents,
): Promise<ImportResult> {
  requireTag(request.reference);
  return await importModule(deps, { ...request, ...(await readModuleFile(request.file)) }, events);
}

/** The bytes of a module and what the check says of them. */
export interface CheckedModule {
  readonly bytes: Uint8Array;
  readonly report: ModuleReport;
}

/** Reads a module and checks it. Throws errors of the input files (usage); what is wrong with it is in the report. */
export async function readModuleFile(file: string): Promise<CheckedModule> {
  const bytes = await readInputFile(file, "module", MAX_FILE);
  return { bytes, report: checkModule(bytes) };
}

/** As {@link importImage}, of a module that was read and checked. */
export async function importModule(
  deps: Parameters<typeof importImage>[0],
  request: ImportRequest & CheckedModule,
  events: EventSink,
): Promise<ImportResult> {
  const { bytes, report } = request;
  requireTag(request.reference);
  tellFindings(report, request, events);
  const runtimeConfig = request.runtimeConfig ?? derive(report, request.file, events);
  deps.signal?.throwIfAborted();
  const module = { digest: digestOf(bytes), size: bytes.byteLength };
  const reference = formatReference(request.reference);
  const { created, annotations } = request;
  const manifestDigest = await store(deps, {
    module,
    bytes,
    runtimeConfig,
    reference,
    extras: { created, annotations },
  });
  return {
    reference,
    manifestDigest,
    moduleDigest: module.digest,
    moduleSize: module.size,
    runtimeConfig,
    derived: request.runtimeConfig === undefined,
    report,
  };
}

/** Blobs first, the name last: what is named is there. */
async function store(
  deps: Parameters<typeof importImage>[0],
  image: {
    readonly module: { readonly digest: Digest; readonly size: number };
    readonly bytes: Uint8Array;
    readonly runtimeConfig: RuntimeConfig;
    readonly reference: string;
    readonly extras: PackExtras;
  },
): Promise<Digest> {
  const packed = packOci(image.module, image.runtimeConfig, image.extras);
  await deps.store.push(packed.config.descriptor, bytesSource(packed.config.bytes), deps.signal);
  await deps.store.push(packed.layer, bytesSource(image.bytes), deps.signal);
  await deps.store.push(packed.manifest, bytesSource(packed.bytes), deps.signal);
  await deps.store.tag(image.reference, { ...packed.manifest, annotations: moduleNotes(image) }, deps.signal);
  return packed.manifest.digest;
}

function tellFindings(report: ModuleReport, request: ImportRequest, events: EventSink): void {
  if (request.check || report.fileKind !== "module") assertLoadable(report, request.file);
  for (const { message, hint } of [...report.problems, ...report.warnings]) {
    const text = `${request.file} ${message}`;
    events(hint === undefined ? { type: "warning", message: text } : { type: "warning", message: text, hint });
  }
}

/** What the module itself tells; its root ids are only known to its code. */
function derive(report: ModuleReport, file: string, events: EventSink): RuntimeConfig {
  const abi = report.abi === undefined ? {} : { abiVersions: [abiLabel(report.abi)] };
  const config: RuntimeConfig = { type: "envoy_proxy", ...abi };
  events({
    type: "milestone",
    message: `No runtime config given: derived from ${file} (${report.abi === undefined ? "no ABI" : abiLabel(report.abi)}, root ids unknown)`,
  });
  return config;
}

/** Bytes; proxies load at most a quarter of it. */
const MAX_FILE = 1024 * 1024 * 1024;
