import { WasmeError } from "../domain/errors.ts";
import { tryParseJson } from "../domain/json.ts";
import type { ApiClient, ApiRequest, ApiResponse } from "./client.ts";
import { isKubeObject, type KubeObject } from "./objects.ts";
import { type Intent, statusError } from "./status-error.ts";

/** Sends a request whose answer is an object (a list is one too). Throws the errors of `statusError`. */
export async function expectObject(client: ApiClient, request: ApiRequest, signal?: AbortSignal): Promise<KubeObject> {
  return objectIn(client, await client.call(request, signal), request.intent);
}

/** The object an answer holds; `KUBE_FAILED` when it is a success without one. */
export function objectIn(client: ApiClient, response: ApiResponse, intent: Intent): KubeObject {
  if (response.status >= 300) throw statusError(response, intent, client.source.server);
  const value = tryParseJson(response.text);
  if (isKubeObject(value)) return value;
  const what = `${client.source.server} did not answer as a Kubernetes API server does`;
  throw new WasmeError("failed", "KUBE_FAILED", what, {
    hint: "does the kubeconfig's server point at the API server, and not at a web page?",
  });
}
