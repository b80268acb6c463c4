import { describe, expect, it } from "vitest";
import { Kinds } from "../../../src/kube/kinds.ts";
import { statusError } from "../../../src/kube/status-error.ts";

const intent = { verb: "patch", kind: Kinds.deployment, namespace: "shop", name: "web" };

function error(status: number, body: unknown): ReturnType<typeof statusError> {
  return statusError({ status, text: typeof body === "string" ? body : JSON.stringify(body) }, intent, "https://k8s");
}

describe("statusError", () => {
  it("takes the verb from RBAC's own words", () => {
    const message =
      'deployments.apps "web" is forbidden: User "u" cannot create resource "deployments" in API group "apps" in the namespace "shop"';
    expect(error(403, { message })).toMatchObject({
      kind: "unauthorised",
      code: "KUBE_FORBIDDEN",
      message: 'not allowed to create deployments.apps "web" in namespace "shop"',
      hint: "kubectl auth can-i create deployments.apps -n shop shows it; ask for a role with that verb",
    });
  });

  it("names the part of a resource, and asks kubectl about it in kubectl's way", () => {
    const message =
      'deployments.apps "web" is forbidden: User "u" cannot patch resource "deployments/status" in API group "apps"';
    expect(error(403, { message })).toMatchObject({
      code: "KUBE_FORBIDDEN",
      message: 'not allowed to patch deployments.apps/status "web" in namespace "shop"',
      hint: "kubectl auth can-i patch deployments.apps --subresource=status -n shop shows it; ask for a role with that verb",
      details: { verb: "patch", resource: "deployments.apps/status" },
    });
  });

  it("names what the guard of owner references wants", () => {
    const message = `deployments.apps "web" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>`;
    const owners = [{ apiVersion: "wasme.io/v1", kind: "FilterDeployment", name: "hello" }];
    const response = { status: 403, text: JSON.stringify({ message }) };
    expect(statusError(response, { ...intent, owners }, "https://k8s")).toMatchObject({
      code: "KUBE_FORBIDDEN",
      message: 'not allowed to update filterdeployments.wasme.io/finalizers "hello" in namespace "shop"',
    });
    expect(statusError(response, intent, "https://k8s")).toMatchObject({ code: "KUBE_DENIED" });
  });

  it("tells admission from RBAC", () => {
    const message = 'deployments.apps "web" is forbidden: exceeded quota: q';
    expect(error(403, { message })).toMatchObject({ kind: "failed", code: "KUBE_DENIED" });
  });

  it("names a webhook that is down, not the server that cannot ask it", () => {
    const why =
      'Post "https://guard.ops.svc:443/check?timeout=10s": dial tcp 10.0.0.9:443: connect: connection refused';
    for (const words of ["failed to call webhook: ", ""]) {
      const said = `Internal error occurred: failed calling webhook "guard.example.com": ${words}${why}`;
      const failure = error(500, { message: said, reason: "InternalError", details: { causes: [{ message: said }] } });
      expect(failure).toMatchObject({ kind: "failed", code: "KUBE_WEBHOOK_FAILED" });
      expect(failure.message).toBe(
        `the cluster refuses to patch deployments.apps "web" in namespace "shop": its webhook "guard.example.com" does not work: ${why}`,
      );
      expect(failure.hint).toContain("kubectl get validatingwebhookconfigurations");
    }
    expect(error(500, { message: "Internal error occurred: disk" })).toMatchObject({ code: "KUBE_FAILED" });
  });

  it("lists the fields a schema refuses", () => {
    const causes = [{ field: "spec.url", message: "Required value" }, { message: "only one of a or b" }];
    expect(error(422, { message: "many words", details: { causes } })).toMatchObject({
      code: "KUBE_INVALID",
      message: 'the cluster refuses Deployment "web": spec.url: Required value; only one of a or b',
    });
  });

  it("takes plain text of an unknown path for a missing kind", () => {
    expect(error(404, "404 page not found\n")).toMatchObject({ kind: "incompatible", code: "KUBE_KIND_NOT_SERVED" });
  });

  it("does not print what could repaint the terminal, nor endless text", () => {
    const shown = error(500, { message: `\u001b[2J${"x".repeat(5000)}` }).message;
    expect(shown).toContain("\\x1b[2J");
    expect(shown.length).toBeLessThan(800);
  });
});
