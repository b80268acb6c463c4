import { WasmeError } from "../domain/errors.ts";
import { installCommand } from "./cache-options.ts";
import type { CacheSight } from "./choose-delivery.ts";
import { chooseVia, type ViaChoice, type ViaQuestion } from "./choose-via.ts";
import { cacheOf } from "./cache-name.ts";
import type { DeployRequest } from "./request.ts";

/**
 * `chooseVia` in a live cluster. Behind a FilterDeployment nobody looks at a plan before it is applied: a node cache that is
 * only half there for now (it is being installed anew), or that a lost right hides, is waited for and not given up in
 * favour of another way, which would be kept for good. Throws `CACHE_NOT_INSTALLED`, `KUBE_FORBIDDEN` and what `chooseVia`
 * throws.
 */
export function chooseWay({ owner }: Pick<DeployRequest, "owner">, question: ViaQuestion): ViaChoice {
  const { cache } = question;
  if (owner === undefined || cache === undefined) return chooseVia(question);
  if (isInterrupted(question, cache)) throw hidden(cache) ?? withoutService(cache);
  try {
    return chooseVia(question);
  } catch (error) {
    throw (restsOnCluster(error) ? hidden(cache) : undefined) ?? error;
  }
}

/** The filter gets its module from the cache over HTTP, and for now nobody can. */
function isInterrupted({ delivery, current }: ViaQuestion, { there, service }: CacheSight): boolean {
  return delivery === "auto" && current?.delivery === "cache-http" && there && !service;
}

function restsOnCluster(error: unknown): boolean {
  return error instanceof WasmeError && error.code === "VIA_UNSUITABLE" && error.kind === "incompatible";
}

function withoutService({ title }: CacheSight): WasmeError {
  return new WasmeError("incompatible", "CACHE_NOT_INSTALLED", `the node cache ${title} has no Service`, {
    hint: `${installCommand(cacheOf(title))}; or deploy with --delivery registry`,
  });
}

/** The right that keeps us from seeing the cache, if one does. */
function hidden({ title, unseen }: CacheSight): WasmeError | undefined {
  if (unseen === undefined) return undefined;
  return new WasmeError("unauthorised", "KUBE_FORBIDDEN", unseen, {
    hint: "ask for a role with that verb",
    details: { cache: title },
  });
}
