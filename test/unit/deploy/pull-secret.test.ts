import { expect, it } from "vitest";
import { requirePullSecret } from "../../../src/deploy/plan-pull-secret.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";

const SECRET = { apiVersion: "v1", kind: "Secret", metadata: { name: "regcred", namespace: "shop" } };
const TYPE = "kubernetes.io/dockerconfigjson";
const forbidden = new WasmeError("unauthorised", "KUBE_FORBIDDEN", "not allowed to get secrets");

it.each<[string, () => Promise<KubeObject | undefined>, string | undefined]>([
  ["is not there", () => Promise.resolve(undefined), "PULL_SECRET_NOT_FOUND"],
  [
    "is of another type",
    () => Promise.resolve({ ...SECRET, type: "Opaque", data: { a: "e30=" } }),
    "PULL_SECRET_UNUSABLE",
  ],
  ["is empty", () => Promise.resolve({ ...SECRET, type: TYPE }), "PULL_SECRET_UNUSABLE"],
  ["is right", () => Promise.resolve({ ...SECRET, type: TYPE, data: { ".dockerconfigjson": "e30=" } }), undefined],
  ["may not be seen", () => Promise.reject(forbidden), undefined],
  [
    "cannot be asked for",
    () => Promise.reject(new WasmeError("unreachable", "KUBE_UNREACHABLE", "away")),
    "KUBE_UNREACHABLE",
  ],
])("tells of a Secret of the proxies' own that it %s, before any proxy needs it", async (_, get, code) => {
  const asked = requirePullSecret({ port: { get } }, { secret: "regcred", namespace: "shop" });
  const said = await asked.then(
    () => undefined,
    (error: unknown) => (error as WasmeError).code,
  );
  expect(said).toBe(code);
});
