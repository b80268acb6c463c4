import { WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { stripControls } from "../domain/redact.ts";
import { kindOf, type ResourceKind, resourceName } from "./kinds.ts";
import { listAt, stringAt } from "./objects.ts";

/** What a request wanted: the words of an error about it. */
export interface Intent {
  /** The RBAC verb. */
  readonly verb: string;
  readonly kind: ResourceKind;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
  /** Owners that the written object names. */
  readonly owners?: readonly Owner[] | undefined;
}

/** What an object's `ownerReferences` say of an owner. */
export interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

/** A failed answer. */
export interface FailedResponse {
  readonly status: number;
  readonly text: string;
}

/** One cause of a refused write: the field, and why. */
export interface FieldCause {
  readonly field: string;
  readonly message: string;
}

const MAX_MESSAGE = 600;

/**
 * Turns an API server's refusal into our error. Codes: `KUBE_UNAUTHORISED` (401), `KUBE_FORBIDDEN` (403 of RBAC),
 * `KUBE_DENIED` (403 of admission), `KUBE_KIND_NOT_SERVED` and `KUBE_NOT_FOUND` (404), `KUBE_ALREADY_EXISTS`,
 * `KUBE_FIELD_CONFLICT` and `KUBE_CONFLICT` (409), `KUBE_GONE` (410), `KUBE_INVALID` (400, 413, 415, 422),
 * `KUBE_OVERLOADED` (429, 503, 504), `KUBE_WEBHOOK_FAILED` (500 of a webhook that is down), `KUBE_FAILED` (the rest).
 */
export function statusError(response: FailedResponse, intent: Intent, server: string): WasmeError {
  const body = tryParseJson(response.text);
  const said = clip(stringAt(body, "message") ?? response.text);
  const { status } = response;
  if (status === 401) {
    return new WasmeError("unauthorised", "KUBE_UNAUTHORISED", `${server} does not accept our credentials (401)`, {
      hint: "the kubeconfig's token or certificate may have expired: kubectl auth whoami",
      details: { said },
    });
  }
  if (status === 403) return forbidden(said, intent);
  if (status === 404) return notFound(body, said, intent);
  if (status === 409) return conflict(body, said, intent);
  if (status === 410) {
    return new WasmeError("failed", "KUBE_GONE", `the server forgot that version of ${resourceName(intent.kind)}`);
  }
  // A server-side apply with a field the schema lacks is answered 500, not 400.
  const unknownField = status === 500 && said.includes("field not declared in schema");
  if (INVALID.has(status) || unknownField) return invalid(body, said, intent);
  if (OVERLOADED.has(status)) {
    return new WasmeError("unreachable", "KUBE_OVERLOADED", `${server} is overloaded (${status}): ${said}`, {
      hint: "try again in a minute",
    });
  }
  return webhookFailed(said, intent) ?? serverFailed(status, said, `${server} failed to ${intentText(intent)}`);
}

function serverFailed(status: number, said: string, what: string): WasmeError {
  return new WasmeError("failed", "KUBE_FAILED", `${what} (${status}): ${said}`);
}

/** What a server says of a webhook that it must ask, and that does not answer. */
const WEBHOOK = /failed calling webhook "(?<name>[^"]+)": (?:failed to call webhook: )?(?<why>.+)$/u;

function webhookFailed(said: string, intent: Intent): WasmeError | undefined {
  const { name, why } = WEBHOOK.exec(said)?.groups ?? {};
  if (name === undefined || why === undefined) return undefined;
  const message = `the cluster refuses to ${intentText(intent)}: its webhook ${JSON.stringify(name)} does not work: ${why}`;
  return new WasmeError("failed", "KUBE_WEBHOOK_FAILED", message, {
    hint: "have whoever runs it look: kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
  });
}

const INVALID: ReadonlySet<number> = new Set([400, 413, 415, 422]);
const OVERLOADED: ReadonlySet<number> = new Set([429, 503, 504]);

/** `patch deployments.apps "web" in namespace "shop"`. */
function intentText(intent: Intent): string {
  const name = intent.name === undefined ? "" : ` ${JSON.stringify(intent.name)}`;
  const where = intent.namespace === undefined ? "" : ` in namespace ${JSON.stringify(intent.namespace)}`;
  return `${intent.verb} ${resourceOf(intent)}${name}${where}`;
}

/** `filterdeployments.wasme.io/status`. */
function resourceOf({ kind, subresource }: Pick<Intent, "kind" | "subresource">): string {
  return subresource === undefined ? resourceName(kind) : `${resourceName(kind)}/${subresource}`;
}

/** The command that asks the server the same question. kubectl takes what follows a slash for an object's name. */
export function canIHint({ verb, kind, namespace, subresource }: Omit<Intent, "name" | "owners">): string {
  const part = subresource === undefined ? "" : ` --subresource=${subresource}`;
  const where = namespace === undefined ? "" : ` -n ${namespace}`;
  return `kubectl auth can-i ${verb} ${resourceName(kind)}${part}${where}`;
}

function forbidden(said: string, intent: Intent): WasmeError {
  const needed = neededRight(said, intent);
  if (needed === undefined) {
    return new WasmeError("failed", "KUBE_DENIED", `the cluster refuses to ${intentText(intent)}: ${said}`);
  }
  return new WasmeError("unauthorised", "KUBE_FORBIDDEN", `not allowed to ${intentText(needed)}`, {
    hint: `${canIHint(needed)} shows it; ask for a role with that verb`,
    details: { verb: needed.verb, resource: resourceOf(needed), namespace: intent.namespace ?? null, said },
  });
}

/** The right that is lacking, when that is why the server refuses. */
function neededRight(said: string, intent: Intent): Intent | undefined {
  // A server-side apply of a new object is a PATCH that RBAC judges as `create` too: the server names the verb.
  const { verb, subresource } = RBAC.exec(said)?.groups ?? {};
  if (verb !== undefined) return { ...intent, verb, subresource };
  if (!said.includes(GUARDED)) return undefined;
  const [owner] = (intent.owners ?? []).flatMap((one) => {
    const kind = kindOf(one);
    return kind === undefined ? [] : [{ kind, name: one.name }];
  });
  return owner && { ...intent, ...owner, verb: "update", subresource: "finalizers" };
}

const RBAC = /cannot (?<verb>[a-z]+) resource "[^"/]+(?:\/(?<subresource>[^"]+))?"/u;
/** Said by admission plugin OwnerReferencesPermissionEnforcement of an owner whose deletion the object blocks. */
const GUARDED = "resource you can't set finalizers on";

function notFound(body: unknown, said: string, intent: Intent): WasmeError {
  // An unknown object is named in `details`; an unknown kind is not, or the body is plain text.
  const missingKind = stringAt(body, "details", "kind");
  const missingName = stringAt(body, "details", "name");
  if (missingName === undefined) return kindNotServed(intent.kind);
  if (missingKind === "namespaces") {
    return new WasmeError("not-found", "NAMESPACE_NOT_FOUND", `there is no namespace ${JSON.stringify(missingName)}`, {
      hint: "kubectl get namespaces",
    });
  }
  return new WasmeError("not-found", "KUBE_NOT_FOUND", `cannot ${intentText(intent)}: ${said}`);
}

/** The error for a kind whose definition the cluster does not have. */
export function kindNotServed(kind: ResourceKind): WasmeError {
  const istio = kind.group.endsWith("istio.io");
  const what = istio ? `Istio's ${kind.kind}` : kind.kind;
  const hint = istio
    ? "is Istio installed there, in a version that has it? kubectl api-resources | grep istio.io"
    : undefined;
  return new WasmeError(
    "incompatible",
    "KUBE_KIND_NOT_SERVED",
    `${what} (${kind.group}/${kind.version}) is not served by this cluster`,
    hint === undefined ? {} : { hint },
  );
}

function conflict(body: unknown, said: string, intent: Intent): WasmeError {
  if (stringAt(body, "reason") === "AlreadyExists") {
    return new WasmeError("failed", "KUBE_ALREADY_EXISTS", `cannot ${intentText(intent)}: it exists already`);
  }
  const owned = causesOf(body).filter((cause) => cause.message.startsWith("conflict with "));
  if (owned.length === 0) {
    return new WasmeError(
      "failed",
      "KUBE_CONFLICT",
      `cannot ${intentText(intent)}: someone else changed it meanwhile`,
      {
        details: { said },
      },
    );
  }
  const managers = [...new Set(owned.map((cause) => cause.message.replace(/^conflict with /u, "")))];
  const fields = owned.map((cause) => cause.field);
  const title = `${intent.kind.kind} ${JSON.stringify(intent.name ?? "")}`;
  return new WasmeError(
    "failed",
    "KUBE_FIELD_CONFLICT",
    `${title}: ${fields.join(", ")} is owned by ${managers.join(" and ")}`,
    {
      hint: "--force-conflicts takes these fields over",
      details: { managers, fields },
    },
  );
}

function invalid(body: unknown, said: string, intent: Intent): WasmeError {
  const causes = causesOf(body);
  const why = causes.length === 0 ? said : causes.map((cause) => describeCause(cause)).join("; ");
  return new WasmeError(
    "failed",
    "KUBE_INVALID",
    `the cluster refuses ${intent.kind.kind} ${JSON.stringify(intent.name ?? "")}: ${why}`,
    {
      details: { causes },
    },
  );
}

function describeCause(cause: FieldCause): string {
  return cause.field === "" ? cause.message : `${cause.field}: ${cause.message}`;
}

function causesOf(body: unknown): FieldCause[] {
  return listAt(body, "details", "causes").flatMap((cause) => {
    if (!isObject(cause)) return [];
    const field = typeof cause["field"] === "string" ? clip(cause["field"]) : "";
    return [{ field, message: typeof cause["message"] === "string" ? clip(cause["message"]) : "" }];
  });
}

function clip(text: string): string {
  const line = stripControls(text.trim().replaceAll(/\s+/gu, " "));
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)}…` : line;
}
