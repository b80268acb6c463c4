import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import type { Via } from "./request.ts";

/** The kind of object behind each way. */
export const VIA_KIND: Readonly<Record<Via, ResourceKind>> = {
  trafficextension: Kinds.trafficExtension,
  wasmplugin: Kinds.wasmPlugin,
  envoyfilter: Kinds.envoyFilter,
};
