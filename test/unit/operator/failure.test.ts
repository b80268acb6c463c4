import { expect, it } from "vitest";
import { type ErrorKind, WasmeError } from "../../../src/domain/errors.ts";
import { chooseWay } from "../../../src/deploy/choose-way.ts";
import { failureOf } from "../../../src/operator/judgement.ts";
import { PLAIN } from "../deploy/plain-question.ts";

it("looks again soon at whatever is not wrong in the object itself, since nobody tells of what cures it", () => {
  const cases: readonly (readonly [ErrorKind, string, string, boolean])[] = [
    ["incompatible", "CACHE_NOT_INSTALLED", "CacheNotInstalled", true],
    ["incompatible", "CACHE_WITHOUT_FILES", "CacheWithoutFiles", true],
    ["unauthorised", "CACHE_WITHOUT_FILES", "CacheWithoutFiles", true],
    ["usage", "PULL_SECRET_UNUSABLE", "PullSecretUnusable", true],
    ["unauthorised", "KUBE_FORBIDDEN", "Forbidden", true],
    ["not-found", "KUBE_KIND_NOT_SERVED", "KindNotServed", true],
    ["incompatible", "ISTIO_NOT_INSTALLED", "KindNotServed", true],
    // Pod security, a cache without files or Service, an image in another layout.
    ["incompatible", "VIA_UNSUITABLE", "Refused", true],
    ["incompatible", "IMAGE_VOLUME_LOST", "Refused", true],
    ["usage", "FILTER_NAME_TAKEN", "Refused", true],
    ["usage", "VIA_UNSUITABLE", "Refused", false],
    ["failed", "KUBE_INVALID", "RefusedByCluster", true],
    ["failed", "KUBE_DENIED", "RefusedByCluster", true],
    ["unreachable", "KUBE_UNREACHABLE", "Failed", true],
  ];
  for (const [kind, code, reason, soon] of cases) {
    expect(failureOf(new WasmeError(kind, code, "why")), code).toMatchObject({ reason, soon });
  }
});

it("tells of a lost right how the operator gets it back", () => {
  const message = 'not allowed to get services "wasme-cache" in namespace "wasme"';
  const error = new WasmeError("unauthorised", "KUBE_FORBIDDEN", message, { hint: "ask for a role with that verb" });
  expect(failureOf(error).message).toBe(
    `${message}; to give the operator its rights back: wasme operator manifests | kubectl apply -f -, with the options it was installed with`,
  );
});

it("says that the node cache's namespace comes before the rights in it", () => {
  const forbidden = (resource: string): string => {
    const details = { verb: "get", resource, namespace: "wasme", said: "" };
    return failureOf(new WasmeError("unauthorised", "KUBE_FORBIDDEN", "not allowed", { details })).message;
  };
  const first =
    "; where that namespace is gone, the node cache comes first: wasme cache manifests | kubectl apply -f -";
  expect(forbidden("configmaps").endsWith(first)).toBe(true);
  expect(forbidden("deployments.apps")).not.toContain("wasme cache manifests");
  const unseen = 'not allowed to get services "wasme-cache" in namespace "wasme"';
  const cache = { title: "wasme/wasme-cache", there: false, service: false, files: false, changeable: false, unseen };
  const owner = { apiVersion: "wasme.io/v1", kind: "FilterDeployment", name: "hello", uid: "u" };
  const choose = (): unknown => chooseWay({ owner }, { ...PLAIN, config: "text", cache });
  expect(thrownBy(choose).message).toMatch(/^not allowed to get services .*the node cache comes first/u);
  const elsewhere = { ...cache, title: "tools/modules" };
  const chooseThere = (): unknown => chooseWay({ owner }, { ...PLAIN, config: "text", cache: elsewhere });
  expect(thrownBy(chooseThere).message).toContain(": wasme cache manifests -n tools --name modules | kubectl apply");
});

function thrownBy(work: () => unknown): ReturnType<typeof failureOf> {
  try {
    work();
  } catch (error) {
    if (error instanceof WasmeError) return failureOf(error);
  }
  throw new Error("nothing was thrown");
}
