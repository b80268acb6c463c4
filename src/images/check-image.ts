import { dirname } from "node:path";
import { type Digest, digestOf } from "../domain/digest.ts";
import { ignoreEvents } from "../domain/events.ts";
import type { ImageReference } from "../domain/image-reference.ts";
import type { ConsumerVerdict } from "../domain/layout-consumers.ts";
import type { ImageFormat, ImageSource } from "../domain/resolved-image.ts";
import { rootIdsOf } from "../domain/runtime-config.ts";
import { assertLoadable, MAX_MODULE } from "../wasm/check-module.ts";
import { type CapabilityText, describeCapabilities } from "../wasm/describe-capabilities.ts";
import { type HostVerdict, loads } from "../wasm/hosts/host-verdict.ts";
import { type AskedHost, judgeHosts } from "../wasm/hosts/judge-hosts.ts";
import type { JudgedModule } from "../wasm/hosts/judged-module.ts";
import type { ModuleReport } from "../wasm/module-report.ts";
import type { CheckFinding } from "./check-finding.ts";
import { chooseRuntimeConfig } from "./choose-runtime-config.ts";
import { type Examined, examineModule } from "./examine-module.ts";
import { readInputFile } from "./input-files.ts";
import { readSchema, type SchemaRead, schemaText } from "./read-schema.ts";
import { schemaFindings } from "./schema-findings.ts";
import type { SmokeResult } from "./smoke-result.ts";
import { readWholeImage, type WholeImageDeps } from "./whole-image.ts";

/** What to check, and for whom. */
export interface CheckRequest {
  readonly source:
    | { readonly kind: "file"; readonly path: string; readonly name: string }
    | { readonly kind: "image"; readonly reference: ImageReference; readonly from: ImageSource };
  /** Hosts that matter; empty: all, and one that loads it is enough. */
  readonly hosts: readonly AskedHost[];
  /** Absent: not known yet. An empty one is handed over, and one that is refused is no error. */
  readonly config: string | undefined;
  /** Absent: the first one the image names, or `runtime-config.json` beside the file. */
  readonly rootId: string | undefined;
  readonly vmConfig: string | undefined;
  /** False: no stream is tried. */
  readonly smoke: boolean;
}

/** Where a filter will load, why not elsewhere, and what two streams through it showed. JSON-safe. */
export interface CheckResult {
  /** The full reference, or the path as typed. */
  readonly name: string;
  /** Of images only. */
  readonly image?: { readonly source: ImageSource; readonly format: ImageFormat; readonly manifestDigest: Digest };
  readonly moduleDigest: Digest;
  /** True when every host asked for loads it (or one of all), and nothing keeps it from running. */
  readonly ok: boolean;
  readonly module: ModuleReport;
  readonly hosts: readonly HostVerdict[];
  /** Which programs can read the image; of images only. */
  readonly consumers?: readonly ConsumerVerdict[];
  readonly capabilities: readonly CapabilityText[];
  readonly findings: readonly CheckFinding[];
  /** Absent when no stream was tried: it was not asked for, or the module does not load. */
  readonly smoke?: SmokeResult;
}

/**
 * Checks a module file or an image against what is known of hosts, and sends two streams through it in the embedded host.
 * Throws what reading it throws (`FILE_NOT_FOUND`, `IMAGE_NOT_FOUND` and others), and what is no module is refused; what
 * else is wrong with it is part of the result.
 */
export async function checkImage(deps: WholeImageDeps, request: CheckRequest): Promise<CheckResult> {
  const subject = await readSubject(deps, request);
  const { rootIds, schema, module, ...named } = subject;
  const { config, vmConfig, rootId = rootIds[0] ?? "" } = request;
  const { signal } = deps;
  const examined = await examineModule({ module, config, vmConfig, rootId, rootIds }, { smoke: request.smoke, signal });
  const { report, smoke } = examined;
  const findings = [...(await schemaFindings(schema, config, smoke)), ...examined.findings];
  // What is no module at all, or broken, is bad input and not a verdict.
  if (report.fileKind !== "module" || report.problems[0]?.kind === "usage") assertLoadable(report, subject.name);
  const hosts = judgeHosts(judged(examined, { config, layout: named.consumers }), request.hosts);
  const wanted = request.hosts.length > 0 ? hosts.every(loads) : hosts.some(loads);
  return {
    ...named,
    moduleDigest: digestOf(module),
    ok: wanted && findings.every(({ severity }) => severity === "warning"),
    module: report,
    hosts,
    capabilities: describeCapabilities(report.capabilities),
    findings,
    ...(smoke === undefined ? {} : { smoke }),
  };
}

function judged(
  { report, smoke }: Examined,
  around: { readonly config: string | undefined; readonly layout: readonly ConsumerVerdict[] | undefined },
): JudgedModule {
  const seen = { startCalls: smoke?.startCalls ?? [], calls: smoke?.calls ?? [] };
  return { report, configSize: Buffer.byteLength(around.config ?? ""), ...seen, layout: around.layout };
}

interface Subject extends Pick<CheckResult, "name" | "image" | "consumers"> {
  readonly module: Uint8Array;
  readonly rootIds: readonly string[];
  readonly schema: SchemaRead;
}

async function readSubject(deps: WholeImageDeps, { source }: CheckRequest): Promise<Subject> {
  if (source.kind === "file") {
    const module = await readInputFile(source.path, "module", MAX_MODULE);
    const { config, schema } = await chooseRuntimeConfig(undefined, [dirname(source.path)], ignoreEvents);
    return { name: source.name, module, rootIds: rootIdsOf(config), schema: { schema } };
  }
  const { where, image, contents, module, consumers } = await readWholeImage(deps, source);
  return {
    name: where,
    image: { source: source.from, format: contents.layout.format, manifestDigest: image.descriptor.digest },
    module,
    rootIds: rootIdsOf(contents.runtimeConfig),
    schema: readSchema(schemaText(image.manifest), where),
    consumers,
  };
}
