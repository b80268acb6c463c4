import { createReadStream } from "node:fs";
import { dirname } from "node:path";
import { buildAnnotations, type BuildFacts } from "../domain/build-facts.ts";
import { CONFIG_SCHEMA_ANNOTATION } from "../domain/config-schema.ts";
import { WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import type { ImageReference } from "../domain/image-reference.ts";
import { rootIdsOf } from "../domain/runtime-config.ts";
import { createDraft, type FileDraft, writeError } from "../platform/atomic-file.ts";
import type { ImageStore } from "../store/image-store.ts";
import { MAX_MODULE } from "../wasm/check-module.ts";
import type { CheckFinding } from "./check-finding.ts";
import type { ChosenConfig } from "./choose-runtime-config.ts";
import { examineModule } from "./examine-module.ts";
import { importImage, type ImportResult } from "./import-image.ts";
import { readInputFile } from "./input-files.ts";

/** Where the image goes. */
export interface StoreModuleDeps {
  readonly store: Pick<ImageStore, "push" | "tag">;
  readonly signal: AbortSignal;
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
 * show is told as warnings, whatever it is: the configuration it will get is not known yet.
 */
export async function storeModule(
  deps: StoreModuleDeps,
  module: ModuleToStore,
  events: EventSink,
): Promise<StoredModule> {
  const { out, check, config } = module;
  const draft = out === undefined ? undefined : await copyAside(module.file, out);
  try {
    const { derived, ...stored } = await importTitled(deps, module, events);
    if (out !== undefined) await draft?.commit(out, 0o644);
    const findings = check && stored.report.ok ? await tryStreams(deps, module, events) : [];
    return {
      ...stored,
      checked: check,
      findings,
      runtimeConfigSource:
        derived || config.path === undefined ? { origin: "module" } : { origin: "file", path: config.path },
      ...(out === undefined ? {} : { out }),
    };
  } finally {
    await draft?.discard();
  }
}

/** Findings about the bytes alone were told when they were checked. */
async function tryStreams(
  deps: StoreModuleDeps,
  { file, config }: ModuleToStore,
  events: EventSink,
): Promise<readonly CheckFinding[]> {
  const [rootId = "", ...more] = rootIdsOf(config.config);
  const module = await readInputFile(file, "module", MAX_MODULE);
  const filter = { module, config: undefined, rootId, rootIds: rootId === "" ? [] : [rootId, ...more] };
  const { findings } = await examineModule(filter, { smoke: true, signal: deps.signal });
  const shown = findings.filter(({ code }) => !code.startsWith("MODULE_"));
  for (const { message, hint } of shown) {
    events({ type: "warning", message, ...(hint === undefined ? {} : { hint }) });
  }
  return shown;
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
async function importTitled(deps: StoreModuleDeps, module: ModuleToStore, events: EventSink): Promise<ImportResult> {
  const { file, title, reference, check, config, facts, created } = module;
  const annotations = {
    ...(facts === undefined ? {} : buildAnnotations(facts)),
    ...(config.schema === undefined ? {} : { [CONFIG_SCHEMA_ANNOTATION]: config.schema.text }),
  };
  const retitle = (text: string): string => text.replaceAll(file, title);
  const sink: EventSink = (event) => {
    const hasMessage = "message" in event && event.message !== undefined;
    events(hasMessage ? { ...event, message: retitle(event.message) } : event);
  };
  try {
    return await importImage(
      deps,
      { file, reference, check, created, annotations, runtimeConfig: config.config },
      sink,
    );
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    const { kind, code, message, hint, details, cause } = error;
    throw new WasmeError(kind, code, retitle(message), {
      ...(hint === undefined ? {} : { hint }),
      ...(details === undefined ? {} : { details }),
      cause,
    });
  }
}
