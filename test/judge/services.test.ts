import { describe, expect, it } from "vitest";
import type { KubeObject } from "./kube.ts";
import { createServices, serviceOf } from "./services.ts";

interface Shape {
  readonly pod: string;
  readonly node: string;
  readonly ready?: boolean;
  readonly terminating?: boolean;
  readonly hint?: boolean;
}

function slice(shapes: readonly Shape[], uid = "1"): KubeObject {
  return {
    metadata: {
      name: `s-${uid}`,
      uid,
      namespace: "wasme",
      resourceVersion: "1",
      labels: { "kubernetes.io/service-name": "wasme-cache" },
    },
    endpoints: shapes.map(({ pod, node, ready = true, terminating = false, hint = true }) => ({
      nodeName: node,
      conditions: { ready, serving: true, terminating },
      targetRef: { name: pod, namespace: "wasme" },
      ...(hint ? { hints: { forNodes: [{ name: node }] } } : {}),
    })),
  };
}

describe("the judge's Services", () => {
  const service = { name: "wasme-cache", namespace: "wasme" };
  const backends = (node: string, ...slices: readonly KubeObject[]): readonly string[] | undefined => {
    const services = createServices();
    for (const each of slices) services.changed(each);
    return services.backends(service, node);
  };

  it("lead to the node's own pod while it is ready", () => {
    const both = slice([
      { pod: "a", node: "one" },
      { pod: "b", node: "two" },
    ]);
    expect(backends("two", both)).toEqual(["wasme/b"]);
  });

  it("lead to any ready pod from a node whose own is not", () => {
    const both = slice([
      { pod: "a", node: "one" },
      { pod: "b", node: "two", ready: false },
      { pod: "c", node: "three" },
    ]);
    expect(backends("two", both)).toEqual(["wasme/a", "wasme/c"]);
    expect(backends("four", both)).toEqual(["wasme/a", "wasme/c"]);
  });

  it("ignore hints that not all have", () => {
    const both = slice([
      { pod: "a", node: "one" },
      { pod: "b", node: "two", hint: false },
    ]);
    expect(backends("one", both)).toEqual(["wasme/a", "wasme/b"]);
  });

  it("lead to pods that end where there are no others, and nowhere without any", () => {
    const ending = slice([{ pod: "a", node: "one", ready: false, terminating: true }]);
    expect(backends("two", ending)).toEqual(["wasme/a"]);
    expect(backends("two", slice([{ pod: "a", node: "one", ready: false }]))).toEqual([]);
    expect(backends("two")).toBeUndefined();
  });

  it("put all slices of a Service together, and forget those that go", () => {
    const services = createServices();
    services.changed(slice([{ pod: "a", node: "one", hint: false }], "1"));
    services.changed(slice([{ pod: "b", node: "two", hint: false }], "2"));
    services.gone(slice([], "1"));
    expect(services.backends(service, "one")).toEqual(["wasme/b"]);
  });

  it.each([
    ["wasme-cache.wasme", service],
    ["wasme-cache.wasme.svc", service],
    ["wasme-cache.wasme.svc.cluster.local", service],
    ["127.0.0.1", undefined],
    ["registry", undefined],
    ["a.b.c", undefined],
  ])("are read from %s", (host, expected) => {
    expect(serviceOf(host)).toEqual(expected);
  });
});
