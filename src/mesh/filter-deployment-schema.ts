import { DELIVERIES } from "../domain/delivery.ts";
import { FAILURE_POLICIES, FILTER_PHASES } from "../domain/filter.ts";
import type { JsonObject } from "../domain/json.ts";

/**
 * The structural schema of a FilterDeployment. Fields that the old tool's definition had are open: that definition
 * had no schema, so any value may be stored, and an object the server refuses to write could not even be told what is
 * wrong with it. The operator checks them and says so in conditions. What is new is typed.
 */
export const filterDeploymentSchema: JsonObject = {
  type: "object",
  description: "Puts one filter on all workloads of a kind that have certain labels, and keeps it there.",
  properties: { spec: specSchema(), status: statusSchema() },
};

function specSchema(): JsonObject {
  return {
    type: "object",
    description: "What is wanted.",
    properties: { filter: filterSchema(), deployment: deploymentSchema() },
    "x-kubernetes-validations": [
      {
        rule:
          "!has(self.filter) || !has(self.filter.phase) || !has(self.deployment) || !has(self.deployment.istio) || " +
          "!has(self.deployment.istio.via) || self.deployment.istio.via != 'envoyfilter'",
        message: "an EnvoyFilter cannot express a phase: leave spec.filter.phase out, or write another via",
      },
    ],
  };
}

function filterSchema(): JsonObject {
  return {
    type: "object",
    description: "The filter.",
    properties: {
      id: open("Name of the filter, unique per workload; default <name>.<namespace>. A string."),
      image: open("Reference of the image, host/repository:tag or …@sha256:…. A string; required."),
      config: open(
        "Plugin config: a string, verbatim, or an object, as JSON. An object with @type and value is its value.",
      ),
      rootID: open("Root id; default the first one the image names. A string."),
      imagePullOptions: pullSchema(),
      patchContext: open("Which traffic: inbound (default), outbound, gateway or any."),
      priority: {
        type: "integer",
        format: "int32",
        description: "Higher runs first; default 10.",
      },
      failStrategy: {
        type: "string",
        enum: [...FAILURE_POLICIES],
        description: "When the filter breaks: refuse requests (closed, default), let them through, or reload it.",
      },
      phase: {
        type: "string",
        enum: [...FILTER_PHASES],
        description: "Place in Istio's chain; not for an EnvoyFilter.",
      },
    },
  };
}

function pullSchema(): JsonObject {
  return {
    type: "object",
    description: "How the image is pulled.",
    properties: {
      pullSecret: open(
        "Name of a Secret in the same namespace: of type kubernetes.io/dockerconfigjson, or with the keys username and password.",
      ),
      insecureSkipVerify: open("Does not verify the registry's certificate. A boolean."),
      plainHttp: open("Speaks plain HTTP with the registry. A boolean."),
    },
  };
}

function deploymentSchema(): JsonObject {
  const istio = {
    type: "object",
    description: "Workloads in an Istio mesh.",
    properties: {
      kind: open("Kind of the workloads: Deployment (default), DaemonSet or StatefulSet."),
      labels: open("Labels that the workloads must have; none takes all of the namespace. An object of strings."),
      istioNamespace: open("Accepted from old objects; nothing depends on it."),
      via: {
        type: "string",
        enum: ["auto", "envoyfilter", "wasmplugin", "trafficextension"],
        description: "Kind of object that carries the filter; auto (default) takes the first that fits.",
      },
      delivery: {
        type: "string",
        enum: ["auto", ...DELIVERIES],
        description: "How the module gets to the proxies; auto (default) takes the node cache where there is one.",
      },
    },
  };
  return { type: "object", description: "Where the filter goes.", properties: { istio } };
}

/** Ours alone and replaced as a whole, so nothing of an old status stays; but whatever was stored must be readable. */
function statusSchema(): JsonObject {
  const time = { type: "string", format: "date-time" };
  const condition = {
    type: "object",
    required: ["type", "status", "lastTransitionTime", "reason", "message"],
    properties: {
      type: { type: "string", description: "Ready, ImageVerified, CacheReady, WorkloadsUpdated or Degraded." },
      status: { type: "string", enum: ["True", "False", "Unknown"] },
      observedGeneration: { type: "integer", format: "int64" },
      lastTransitionTime: time,
      reason: { type: "string" },
      message: { type: "string", description: "What is the case, and what to change." },
    },
  };
  return {
    type: "object",
    description: "What is the case. Written by the operator.",
    "x-kubernetes-map-type": "atomic",
    "x-kubernetes-preserve-unknown-fields": true,
    properties: {
      observedGeneration: {
        "x-kubernetes-int-or-string": true,
        description: "Generation that the rest of the status is about; the old tool wrote a string.",
      },
      conditions: { type: "array", items: condition },
      filter: { type: "string", description: "Id of the filter." },
      image: { type: "string", description: "The image as pinned." },
      moduleDigest: { type: "string", description: "Digest of the module." },
      via: { type: "string", description: "Kind of object that carries the filter." },
      delivery: { type: "string", description: "How the module gets to the proxies." },
      ready: { type: "string", description: "Workloads that have the filter, of those that match: n/m." },
      counts: {
        type: "object",
        description: "Workloads by state.",
        properties: {
          matched: { type: "integer" },
          succeeded: { type: "integer" },
          pending: { type: "integer" },
          failed: { type: "integer" },
        },
      },
      workloads: open(
        "By name: state (Pending, Succeeded or Failed) and reason; the first 50, those that failed first.",
      ),
      reason: open("What is wrong, in one sentence; absent when nothing is."),
    },
  };
}

/** Any value: see {@link filterDeploymentSchema}. */
function open(description: string): JsonObject {
  return { description, "x-kubernetes-preserve-unknown-fields": true };
}
