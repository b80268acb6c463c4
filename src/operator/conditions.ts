import { WasmeError } from "../domain/errors.ts";
import { cacheOf } from "../deploy/cache-name.ts";
import { installCommand } from "../deploy/cache-options.ts";
import { INSTALL_OPERATOR } from "../deploy/install-operator.ts";
import { stringAt } from "../kube/objects.ts";

/** The conditions of a FilterDeployment, in the order they are shown. */
export const CONDITION_TYPES = ["Ready", "ImageVerified", "CacheReady", "WorkloadsUpdated", "Degraded"] as const;

/** One of {@link CONDITION_TYPES}. */
export type ConditionType = (typeof CONDITION_TYPES)[number];

/** What is the case, without when that began. */
export interface Condition {
  readonly status: "True" | "False" | "Unknown";
  /** Upper camel case, stable: `docs/reference/filter-deployment.md` lists them. */
  readonly reason: string;
  /** What is the case, and what to change. */
  readonly message: string;
}

/** How one workload does. */
export interface WorkloadResult {
  readonly name: string;
  readonly state: "Pending" | "Succeeded" | "Failed";
  /** What it waits for, or what is wrong. */
  readonly reason?: string;
}

/** What a reconcile found out: everything a status is made of. */
export interface Findings {
  readonly id?: string | undefined;
  /** The image as pinned. */
  readonly image?: string | undefined;
  readonly moduleDigest?: string | undefined;
  /** What the module runs under. */
  readonly rootId?: string | undefined;
  readonly via?: string | undefined;
  readonly delivery?: string | undefined;
  /** `Verifier.keyOf` what was found good. */
  readonly verified?: string | undefined;
  readonly conditions: Readonly<Record<ConditionType, Condition>>;
  readonly workloads: readonly WorkloadResult[];
}

export const yes = (reason: string, message: string): Condition => ({ status: "True", reason, message });
export const no = (reason: string, message: string): Condition => ({ status: "False", reason, message });
export const unknown = (message = "not looked at yet"): Condition => ({ status: "Unknown", reason: "NotYet", message });

/** All conditions: what is not said is not known yet. */
export function conditionsWith(
  said: Partial<Record<ConditionType, Condition>> & Readonly<Record<"Ready" | "Degraded", Condition>>,
): Readonly<Record<ConditionType, Condition>> {
  return { ImageVerified: unknown(), CacheReady: unknown(), WorkloadsUpdated: unknown(), ...said };
}

/** An error as the message of a condition: what is wrong and what to do, in the words of the object's fields. */
export function adviceOf(error: WasmeError): string {
  if (error.code === "KUBE_FORBIDDEN") {
    const cache = stringAt(error.details, "cache");
    const isOfCache = cache !== undefined || CACHE_PARTS.has(stringAt(error.details, "resource") ?? "");
    const install = installCommand(cache === undefined ? undefined : cacheOf(cache));
    const first = `; where that namespace is gone, the node cache comes first: ${install}`;
    return `${error.message}; ${RIGHTS_BACK}${isOfCache ? first : ""}`;
  }
  const hint = error.hint === undefined || COMMANDS.test(error.hint) ? "" : `; ${error.hint}`;
  return inFields(`${error.message}${hint}`);
}

/** An error for the operator's log: it advises what the condition does, since nobody types a command line's options there. */
export function inObjectWords(error: WasmeError): WasmeError {
  const { kind, code, details, cause } = error;
  return new WasmeError(kind, code, adviceOf(error), { ...(details === undefined ? {} : { details }), cause });
}

/** Nobody has to ask for a role: it came with the operator, and somebody took it away, maybe with its namespace. */
const RIGHTS_BACK = `to give the operator its rights back: ${INSTALL_OPERATOR}, with the options it was installed with`;

/** What the operator asks for in the node cache's namespace alone. With that its role there goes, and cannot be made again before it. */
const CACHE_PARTS: ReadonlySet<string> = new Set(["configmaps", "services"]);

/** Hints to run a command of the command line again mean nothing to who wrote an object. */
const COMMANDS = /^(?:run the same command|try again)/u;

/** Flags of `wasme deploy istio` as the fields that say the same. */
export function inFields(text: string): string {
  return FLAGS.reduce((said, [flag, field]) => said.replaceAll(flag, field), text);
}

const SECRET_FIELD = "spec.filter.imagePullOptions.pullSecret";

const FLAGS: readonly (readonly [RegExp, string])[] = [
  // What only the command line can do comes first: some of it holds flags that have fields.
  [/(?:;|, or deploy with) --no-check\b[^;]*/gu, ""],
  [/wasme check IMAGE (?=--)/gu, ""],
  [/--vm-config TEXT or --vm-config @FILE gives it one/gu, "no field gives it one: build it to start without"],
  [/pass --config TEXT or --config @FILE/gu, "write spec.filter.config"],
  [/--config TEXT or --config @FILE/gu, "spec.filter.config"],
  [/pass --config '([^']*)'/gu, "write spec.filter.config: $1"],
  [/need wasme login\b/gu, `need ${SECRET_FIELD}`],
  [/to log in as another: wasme login [^\s,;]+/gu, `correct it, or name a Secret with another in ${SECRET_FIELD}`],
  [/wasme login [^\s,;]+/gu, `name a Secret with an account in ${SECRET_FIELD}`],
  [/ \(wasme logout [^)]*\)/gu, ""],
  [/--(via|delivery)[ =](?!auto means)([a-z]+(?:-[a-z]+)*)/gu, "spec.deployment.istio.$1: $2"],
  [/--(via|delivery)\b/gu, "spec.deployment.istio.$1"],
  [/--config\b/gu, "spec.filter.config"],
  [/--id\b/gu, "spec.filter.id"],
  [/--root-id\b(?: ID\b)?/gu, "spec.filter.rootID"],
  [/--phase\b/gu, "spec.filter.phase"],
  [/--priority\b/gu, "spec.filter.priority"],
  [/--fail\b/gu, "spec.filter.failStrategy"],
  [/--patch-context\b/gu, "spec.filter.patchContext"],
  [/--pull-secret\b/gu, SECRET_FIELD],
  [/--plain-http\b/gu, "spec.filter.imagePullOptions.plainHttp"],
  [/--insecure\b/gu, "spec.filter.imagePullOptions.insecureSkipVerify"],
  [/-t picks another kind, -n another namespace/gu, "spec.deployment.istio.kind picks another kind"],
];
