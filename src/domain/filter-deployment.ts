import { type Delivery, DELIVERIES } from "./delivery.ts";
import { WasmeError } from "./errors.ts";
import {
  DEFAULT_PRIORITY,
  FAILURE_POLICIES,
  type FailurePolicy,
  FILTER_PHASES,
  type FilterPhase,
  PATCH_CONTEXTS,
  type PatchContext,
} from "./filter.ts";
import { type FieldProblem, FieldReader } from "./field-reader.ts";
import { type ImageReference, parseImageReference } from "./image-reference.ts";
import { pluginConfigOf } from "./plugin-config-any.ts";
import { type WorkloadKind, WORKLOAD_KINDS } from "./workload.ts";

/** What a FilterDeployment asks for, its defaults filled in. */
export interface FilterDeploymentSpec {
  /** Not checked to be a name Kubernetes takes. */
  readonly id: string;
  readonly image: ImageReference;
  /** Plugin config, verbatim; `undefined` when there is none. */
  readonly config: string | undefined;
  readonly rootId: string | undefined;
  readonly patchContext: PatchContext;
  readonly priority: number;
  readonly failurePolicy: FailurePolicy;
  readonly phase: FilterPhase | undefined;
  /** Name of a Secret in the object's namespace. */
  readonly pullSecret: string | undefined;
  readonly insecure: boolean;
  readonly plainHttp: boolean;
  readonly kind: WorkloadKind;
  /** Empty: all workloads of the kind in the namespace. */
  readonly labels: Readonly<Record<string, string>>;
  readonly via: (typeof VIA_WORDS)[number];
  readonly delivery: Delivery | "auto";
}

/** The spec, or everything that is wrong with it. */
export type ParsedFilterDeployment =
  | { readonly spec: FilterDeploymentSpec; readonly problems?: never }
  | { readonly problems: readonly FieldProblem[]; readonly spec?: never };

/** The part of an object that its spec is read from; anything may be in `spec`. */
export interface FilterDeploymentSource {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: unknown;
}

/**
 * Reads a FilterDeployment. Never throws: the kind's definition lets any old object in, so every field is looked at, and
 * each problem names its field and what to write. An absent field, `null` and an empty string are the same.
 */
export function parseFilterDeployment(object: FilterDeploymentSource): ParsedFilterDeployment {
  const problems: FieldProblem[] = [];
  const root = new FieldReader(object.spec, "spec", problems);
  const filter = root.object("filter");
  const pull = filter.object("imagePullOptions");
  const deployment = root.object("deployment");
  const istio = deployment.object("istio");
  if (!istio.present)
    problems.push({ field: "spec.deployment.istio", message: "is missing: write kind and labels there" });
  const image = readImage(filter);
  const config = pluginConfigOf(filter.value("config"), (message) =>
    problems.push({ field: "spec.filter.config", message }),
  );
  const spec: Omit<FilterDeploymentSpec, "image"> = {
    id: filter.text("id") ?? defaultId(object),
    config,
    rootId: filter.text("rootID"),
    patchContext: filter.choice("patchContext", PATCH_CONTEXTS) ?? "inbound",
    priority: filter.integer("priority") ?? DEFAULT_PRIORITY,
    failurePolicy: filter.choice("failStrategy", FAILURE_POLICIES) ?? "closed",
    phase: filter.choice("phase", FILTER_PHASES),
    pullSecret: readName(pull, "pullSecret"),
    insecure: pull.flag("insecureSkipVerify"),
    plainHttp: pull.flag("plainHttp"),
    kind: istio.choice("kind", WORKLOAD_KINDS) ?? "Deployment",
    labels: readLabels(istio),
    via: istio.choice("via", VIA_WORDS) ?? "auto",
    delivery: istio.choice("delivery", ["auto", ...DELIVERIES]) ?? "auto",
  };
  if (image === undefined || problems.length > 0) return { problems };
  return { spec: { ...spec, image } };
}

/** The id alone, which two objects may dispute even when the rest of one is wrong; `undefined` when it cannot be read. */
export function filterIdOf(object: FilterDeploymentSource): string | undefined {
  const problems: FieldProblem[] = [];
  const id = new FieldReader(object.spec, "spec", problems).object("filter").text("id");
  return problems.length > 0 ? undefined : (id ?? defaultId(object));
}

/** All problems in one line, fit for a condition. */
export function problemsText(problems: readonly FieldProblem[]): string {
  return problems.map(({ field, message }) => `${field} ${message}`).join("; ");
}

/** The old tool's default. */
function defaultId({ metadata }: FilterDeploymentSource): string {
  return `${metadata.name}.${metadata.namespace ?? "default"}`;
}

function readImage(filter: FieldReader): ImageReference | undefined {
  const before = filter.problems.length;
  const text = filter.text("image");
  if (text === undefined) {
    if (filter.problems.length === before) filter.refuse("image", "is missing: write the image's reference");
    return undefined;
  }
  try {
    return parseImageReference(text);
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    filter.refuse("image", `cannot be read: ${error.message}${error.hint === undefined ? "" : ` (${error.hint})`}`);
    return undefined;
  }
}

function readName(reader: FieldReader, key: string): string | undefined {
  const name = reader.text(key);
  if (name === undefined || (name.length <= MAX_NAME && DNS_NAME.test(name))) return name;
  reader.refuse(key, `${quoted(name)} cannot be the name of a Secret: write one of this namespace`);
  return undefined;
}

/** What no label can be would match nothing, or break the selector it becomes part of. */
function readLabels(istio: FieldReader): Readonly<Record<string, string>> {
  const labels = istio.object("labels");
  const found: Record<string, string> = {};
  for (const key of labels.keys()) {
    const value = labels.value(key);
    if (!LABEL_KEY.test(key)) labels.refuse(key.slice(0, 80), "cannot be the key of a label");
    else if (typeof value !== "string") labels.refuse(key, `must be a string: write it in quotes, ${quoted(value)}`);
    else if (!LABEL_VALUE.test(value)) labels.refuse(key, `${quoted(value)} cannot be the value of a label`);
    else found[key] = value;
  }
  return found;
}

function quoted(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return JSON.stringify(text.slice(0, 80));
}

const VIA_WORDS = ["auto", "envoyfilter", "wasmplugin", "trafficextension"] as const;
const MAX_NAME = 253;
const DNS_NAME = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/u;
const LABEL_KEY = /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?$/u;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?$/u;
