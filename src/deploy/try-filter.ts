import type { EventSink } from "../domain/events.ts";
import { formatReference } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { rootIdsOf } from "../domain/runtime-config.ts";
import { refuseErrors, tellWarnings } from "../images/act-on-findings.ts";
import { requireFittingConfig } from "../images/config-violations.ts";
import { examineModule } from "../images/examine-module.ts";
import type { SmokeLimits } from "../images/smoke-module.ts";
import { readSchemaOrWarn } from "../images/read-schema.ts";
import { assertLoadable } from "../wasm/check-module.ts";
import { judgeHosts } from "../wasm/hosts/judge-hosts.ts";
import type { DeployDeps, DeployRequest } from "./request.ts";

/**
 * Runs the image's module with the configuration it is to get, before anything is planned or written. Throws the first
 * problem of a module that no proxy loads, `CONFIG_UNFIT` (usage) for a configuration that the image's schema refuses, and `FILTER_UNFIT` (incompatible) for one that does not start, does not
 * return, or rejects its configuration; `limits`: what the thread it runs in may take. Does nothing when the check is left out.
 */
export async function tryFilter(
  deps: Pick<DeployDeps, "readModule" | "signal"> & { readonly limits?: SmokeLimits },
  filter: { readonly image: ResolvedImage; readonly rootId: string; readonly request: DeployRequest },
  events: EventSink,
): Promise<void> {
  const { image, rootId, request } = filter;
  if (!request.check) return;
  const where = formatReference(image.reference);
  const { config = "" } = request;
  await requireFittingConfig(readSchemaOrWarn(image.configSchema, where, events), config, where);
  const module = await deps.readModule(image);
  const rootIds = rootIdsOf(image.runtimeConfig);
  const { report, findings, smoke } = await examineModule(
    { module, config, rootId, rootIds },
    { smoke: true, limits: deps.limits, signal: deps.signal },
  );
  assertLoadable(report, `the module of ${where}`);
  refuseErrors(findings, where);
  tellWarnings(findings, where, events);
  const seen = { startCalls: smoke?.startCalls ?? [], calls: smoke?.calls ?? [] };
  const judged = { report, configSize: Buffer.byteLength(config), ...seen, layout: undefined };
  const [istio] = judgeHosts(judged, [{ host: "istio" }]);
  const reason = istio?.reasons.find(({ since }) => since !== undefined);
  if (istio?.since === undefined || reason === undefined) return;
  events({ type: "milestone", message: `the module needs Istio ${istio.since} or newer: it ${reason.message}` });
}
