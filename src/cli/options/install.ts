import { usageError } from "../../domain/errors.ts";
import { parseImageReference } from "../../domain/image-reference.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { KubernetesObject } from "../../mesh/kubernetes-object.ts";
import type { ProgramSettings } from "../../mesh/program-objects.ts";
import type { OptionSpec } from "../command-spec.ts";
import type { Outcome } from "../outcome.ts";
import { packageVersion } from "../version.ts";
import { choice, flagOf, list, text, type Values } from "./read.ts";

const PULL_POLICIES = ["Always", "IfNotPresent", "Never"] as const;
const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/** What the pods of a program run on and with. */
export const programOptions: readonly OptionSpec[] = [
  { flags: "--image <ref>", description: "image of wasme; default the one of this version" },
  {
    flags: "--image-pull-policy <policy>",
    description: "when nodes pull it",
    choices: PULL_POLICIES,
    default: "IfNotPresent",
  },
  {
    flags: "--image-pull-secret <name>",
    description: "Secret in its namespace with which nodes pull that image",
    repeatable: true,
  },
  {
    flags: "--auth-secret <name>",
    description: "Secret (kubernetes.io/dockerconfigjson) with credentials for all filter images",
  },
  {
    flags: "--toleration <taint>",
    description: "taint its pods tolerate, as in kubectl taint: KEY[=VALUE][:EFFECT]; * for all",
    repeatable: true,
  },
  { flags: "--priority-class <name>", description: "priority of its pods, such as system-node-critical" },
];

/** The settings those options describe. Throws usage errors. */
export function readProgram(values: Values, name: string, namespace: string): ProgramSettings {
  const image = text(values, "image") ?? `ghcr.io/wasme/wasme:${packageVersion()}`;
  parseImageReference(image);
  const pullSecrets = list(values, "imagePullSecret").map((one): JsonObject => {
    return { name: checkedName(one, "imagePullSecret") };
  });
  const tolerations = list(values, "toleration").map(parseToleration);
  return {
    name,
    namespace,
    image,
    imagePullPolicy: choice(values, "imagePullPolicy", PULL_POLICIES, "IfNotPresent"),
    imagePullSecrets: pullSecrets.length === 0 ? undefined : pullSecrets,
    authSecret: objectName(values, "authSecret"),
    tolerations: tolerations.length === 0 ? undefined : tolerations,
    priorityClassName: objectName(values, "priorityClass"),
  };
}

/** A name that a Service can have, too: 63 lower-case letters, digits and `-`, a letter first. Throws `NAME_INVALID` (usage). */
export function serviceName(values: Values, option: string, fallback: string): string {
  const name = text(values, option) ?? fallback;
  if (name.length <= 63 && /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/u.test(name)) return name;
  throw badName(option, name, "63 lower-case letters, digits and - with a letter first and no - at the end");
}

/** A namespace. Throws `NAMESPACE_INVALID` (usage). */
export function namespaceName(name: string, option: string): string {
  if (name.length <= 63 && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/u.test(name)) return name;
  throw usageError("NAMESPACE_INVALID", `${flagOf(option)} ${JSON.stringify(name)} cannot be the name of a namespace`, {
    hint: "names are up to 63 lower-case letters, digits and - in the middle",
  });
}

/** A name that any object can have. Throws `NAME_INVALID` (usage). */
export function checkedName(name: string, option: string): string {
  if (name.length <= 253 && /^[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?$/u.test(name)) return name;
  throw badName(option, name, "253 lower-case letters, digits, - and . in the middle");
}

/** Objects fit for `kubectl apply -f -`, and nothing else on stdout: YAML unless something else was asked for. */
export function manifests(objects: readonly KubernetesObject[]): Outcome {
  const names = objects.map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`);
  return { json: objects, documents: objects, names, text: () => "", preferYaml: true };
}

function objectName(values: Values, option: string): string | undefined {
  const name = text(values, option);
  return name === undefined ? undefined : checkedName(name, option);
}

function badName(option: string, name: string, rule: string): Error {
  return usageError("NAME_INVALID", `${flagOf(option)} ${JSON.stringify(name)} cannot be the name of an object`, {
    hint: `names are up to ${rule}`,
  });
}

function parseToleration(taint: string): JsonObject {
  if (taint === "*") return { operator: "Exists" };
  const [, key = "", value, effect] = /^([^=:]+)(?:=([^:]*))?(?::(.+))?$/u.exec(taint) ?? [];
  if (!QUALIFIED_NAME.test(key) || (effect !== undefined && !EFFECTS.includes(effect))) {
    throw usageError("TOLERATION_INVALID", `--toleration ${JSON.stringify(taint)} is not KEY[=VALUE][:EFFECT]`, {
      hint: `for example dedicated=mesh:NoSchedule; effects are ${EFFECTS.join(", ")}; * tolerates everything`,
    });
  }
  const matched: JsonObject = value === undefined ? { key, operator: "Exists" } : { key, operator: "Equal", value };
  return effect === undefined ? matched : { ...matched, effect };
}

/** `name` or `prefix/name` (Kubernetes: labels and selectors, syntax). */
const QUALIFIED_NAME = /^(?:[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$/u;
