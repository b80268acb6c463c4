import type { JsonObject } from "../domain/json.ts";
import { filterDeploymentSchema } from "./filter-deployment-schema.ts";
import type { KubernetesObject } from "./kubernetes-object.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "./names.ts";

/** `apiVersion` of a FilterDeployment. */
export const FILTER_DEPLOYMENT_VERSION = "wasme.io/v1";
/** `kind` of a FilterDeployment. */
export const FILTER_DEPLOYMENT_KIND = "FilterDeployment";

/**
 * The definition of the kind FilterDeployment, for server-side apply as raw JSON: typed clients drop its CEL rules.
 * It replaces the old tool's definition in place and accepts every object that one could hold.
 */
export const filterDeploymentCrd: KubernetesObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "filterdeployments.wasme.io", labels: { [MANAGED_BY_LABEL]: MANAGED_BY } },
  spec: {
    group: "wasme.io",
    names: {
      kind: FILTER_DEPLOYMENT_KIND,
      listKind: "FilterDeploymentList",
      plural: "filterdeployments",
      singular: "filterdeployment",
      shortNames: ["fd"],
    },
    scope: "Namespaced",
    // The old definition had true here, which the server does not take together with a schema.
    preserveUnknownFields: false,
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: filterDeploymentSchema },
        subresources: { status: {} },
        additionalPrinterColumns: printerColumns(),
      },
    ],
  },
};

function printerColumns(): readonly JsonObject[] {
  const column = (name: string, jsonPath: string, description: string, priority = 0): JsonObject => {
    return { name, type: "string", jsonPath, description, priority };
  };
  return [
    column("Filter", ".status.filter", "id of the filter"),
    column("Image", ".spec.filter.image", "image as written"),
    column("Ready", ".status.ready", "workloads that have it, of those that match"),
    column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "why it is ready or not"),
    column("Message", '.status.conditions[?(@.type=="Ready")].message', "what is the case, and what to change", 1),
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  ];
}
