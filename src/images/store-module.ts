import { createReadStream } from "node:fs";
import { dirname } from "node:path";
import { buildAnnotations, type BuildFacts } from "../domain/build-facts.ts";
import { CONFIG_SCHEMA_ANNOTATION } from "../domain/config-schema.ts";
import { digestOf } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import type { ImageReference } from "../domain/image-reference.ts";
import { rootIdsOf } from "../domain/runtime-config.ts";
import { createDraft, type FileDraft, writeError } from "../platform/atomic-file.ts";
import type { Paths } from "../platform/paths.ts";
import type { ImageStore } from "../store/image-store.ts";
import type { CheckFinding } from "./check-finding.ts";
import type { ChosenConfig } from "./choose-runtime-config.ts";
import { examineModule } from "./examine-module.ts";
import { type CheckedModule, importModule, type ImportResult, readModuleFile } from "./import-image.ts";
import { rememberFindings } from "./remember-findings.ts";

/** Where the image goes. */
export interface StoreModuleDeps {
  readonly store: Pick<ImageStore, "push" | "tag">;
  readonly signal: AbortSignal;
  /** Where findings are remembered; every module is tried anew when absent. */
  readonly paths?: Pick<Paths, "home">;
}

/** A compiled module and what becomes of it. */
export interface ModuleToStore {
  /** Absolute. */
  readonly file: string;
  /** What messages call it: a path as typed, or what it is when its path is temporary. */
  readonly title: string;
  readonly reference: ImageReference;
  readonly config: ChosenConfig;
  readonly check: boolean;
  /** How it was built; `undefined` for a module that came as a file. */
  readonly facts: BuildFacts | undefined;
  /** The time to write into the image; none when absent. */
  readonly created: Date | undefined;
  /** Copied there too, absolute. */
  readonly out: string | undefined;
}

/** What was stored. */
export interface StoredModule extends Omit<ImportResult, "derived"> {
  /** False when the check was left out. */
  readonly checked: boolean;
  /** What two streams showed, with an empty configuration; empty when the check was left out. */
  readonly findings: readonly CheckFinding[];
  /** Where the runtime config is from; `path` is absent when it was derived from the module. */
  readonly runtimeConfigSource: { readonly origin: "file" | "module"; readonly path?: string };
  /** The copy of the module that was asked for. */
  readonly out?: string;
}

/**
 * Checks a module, stores it as an image and copies it where the user wants it: the copy is written first and gets
 * its name last, so that a place that cannot be written to keeps anything from being stored. What two streams through it
 * show is told as warnings, whatever it is: the configuration it will get is not known yet. They are sent while it is
 * being stored, and only once through the same module.
 */
export async function storeModule(
  deps: StoreModuleDeps,
  module: ModuleToStore,
  events: EventSink,
): Promise<StoredModule> {
  const { out, check, config } = module;
  const draft = out === undefined ? undefined : await copyAside(module.file, out);
  const failed = new AbortController();
  try {
    const read = await titled(module, async () => await readModuleFile(module.file));
    const trial = check && read.report.ok ? tryStreams(deps, { module, read, stopped: failed.signal }) : none();
    // Awaited below, unless the module cannot be stored.
    trial.catch(() => undefined);
    const { derived, ...stored } = await importTitled(deps, { ...module, ...read }, events);
    if (out !== undefined) await draft?.commit(out, 0o644);
    const findings = await trial;
    for (const { message, hint } of findings) {
      events({ type: "warning", message, ...(hint === undefined ? {} : { hint }) });
    }
    return {
      ...stored,
      checked: check,
      findings,
      runtimeConfigSource:
        derived || config.path === undefined ? { origin: "module" } : { origin: "file", path: config.path },
      ...(out === undefined ? {} : { out }),
    };
  } finally {
    failed.abort();
    await draft?.discard();
  }
}

async function none(): Promise<readonly CheckFinding[]> {
  return await Promise.resolve([]);
}

/** Findings about the bytes alone were told when they were checked. */
async function tryStreams(
  { paths, signal }: StoreModuleDeps,
  trial: { readonly module: ModuleToStore; readonly read: CheckedModule; readonly stopped: AbortSignal },
): Promise<readonly CheckFinding[]> {
  const { bytes, report } = trial.read;
  const [rootId = "", ...more] = rootIdsOf(trial.module.config.config);
  const rootIds = rootId === "" ? [] : [rootId, ...more];
  return await rememberFindings(paths?.home, [digestOf(bytes), rootId, rootIds], async () => {
    const filter = { module: bytes, config: undefined, rootId, rootIds, report };
    const stop = AbortSignal.any([signal, trial.stopped]);
    const { findings, smoke } = await examineModule(filter, { smoke: true, signal: stop });
    const shown = findings.filter(({ code }) => !code.startsWith("MODULE_"));
    // How long it took, or how much memory there was, may be another thing next time.
    return { findings: shown, lasting: smoke?.outcome === "ran" || smoke?.outcome === "refused" };
  });
}

async function copyAside(file: string, out: string): Promise<FileDraft> {
  const draft = await createDraft(dirname(out));
  try {
    for await (const chunk of createReadStream(file)) await draft.handle.writeFile(chunk as Buffer);
    return draft;
  } catch (error) {
    await draft.discard();
    throw writeError(error, out);
  }
}

/** Imports; events and errors speak of the module by its title instead of its path. */
async function importTitled(
  deps: StoreModuleDeps,
  module: ModuleToStore & CheckedModule,
  events: EventSink,
): Promise<ImportResult> {
  const { file, title, reference, check, config, facts, created, bytes, report } = module;
  const annotations = {
    ...(facts === undefined ? {} : buildAnnotations(facts)),
    ...(config.schema === undefined ? {} : { [CONFIG_SCHEMA_ANNOTATION]: config.schema.text }),
  };
  const sink: EventSink = (event) => {
    const hasMessage = "message" in event && event.message !== undefined;
    events(hasMessage ? { ...event, message: event.message.replaceAll(file, title) } : event);
  };
  const request = { file, reference, check, created, annotations, runtimeConfig: config.config, bytes, report };
  return await titled(module, async () => await importModule(deps, request, sink));
}

async function titled<T>({ file, title }: Pick<ModuleToStore, "file" | "title">, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    const { kind, code, message, hint, details, cause } = error;
    throw new WasmeError(kind, code, message.replaceAll(file, title), {
      ...(hint === undefined ? {} : { hint }),
      ...(details === undefined ? {} : { details }),
      cause,
    });
  }
}
