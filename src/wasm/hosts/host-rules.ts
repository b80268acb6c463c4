import { ENVOY, GOOGLE, HIGRESS, type HostHistory, ISTIO, NGINX } from "./host-history.ts";
import { GOOGLE_LIMITS, type HostLimits, NGINX_LIMITS } from "./host-limits.ts";
import type { HostName } from "./host-verdict.ts";

/** How a host is judged. */
export interface HostRules {
  /** As people call it. */
  readonly title: string;
  readonly history: HostHistory;
  readonly limits?: HostLimits;
  /** Its name in the list of layout consumers (`domain/layout-consumers.ts`); absent where images are no way in. */
  readonly consumer?: string;
}

/** The rules of every host. */
export const HOST_RULES: Readonly<Record<HostName, HostRules>> = {
  envoy: { title: "Envoy", history: ENVOY },
  istio: { title: "Istio", history: ISTIO, consumer: "Istio" },
  higress: { title: "Higress", history: HIGRESS, consumer: "Higress" },
  google: {
    title: "Google Service Extensions",
    history: GOOGLE,
    limits: GOOGLE_LIMITS,
    consumer: "Google Service Extensions",
  },
  nginx: { title: "nginx (ngx_wasm_module)", history: NGINX, limits: NGINX_LIMITS },
};
