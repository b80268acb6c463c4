import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../../src/domain/json.ts";
import { buildCacheObjects, cacheEntry, cacheEntryPatch, type CacheSettings } from "../../../src/mesh/cache-objects.ts";
import { mountOnGateway, unmountFromGateway } from "../../../src/mesh/gateway-volumes.ts";
import { modulePath } from "../../../src/mesh/module-path.ts";
import { golden, toYaml } from "./golden.ts";
import { MANIFEST_DIGEST, MODULE_DIGEST, request } from "./request.ts";

const GATEWAY: JsonObject = {
  serviceAccountName: "gw",
  containers: [
    { name: "helper", image: "h" },
    { name: "istio-proxy", image: "auto", volumeMounts: [{ name: "certs", mountPath: "/certs" }] },
  ],
  volumes: [{ name: "certs", secret: { secretName: "s" } }],
};

describe("a gateway's own pod template", () => {
  it("gets the volume, and its proxy the mount", () => {
    expect(mountOnGateway(GATEWAY)).toEqual({
      ...GATEWAY,
      containers: [
        { name: "helper", image: "h" },
        {
          name: "istio-proxy",
          image: "auto",
          volumeMounts: [
            { name: "certs", mountPath: "/certs" },
            { name: "wasme-cache", mountPath: "/var/lib/wasme", readOnly: true },
          ],
        },
      ],
      volumes: [
        { name: "certs", secret: { secretName: "s" } },
        { name: "wasme-cache", hostPath: { path: "/var/lib/wasme", type: "DirectoryOrCreate" } },
      ],
    });
  });

  it("is left alone the second time, and comes back as it was", () => {
    const mounted = mountOnGateway(GATEWAY);
    expect(mountOnGateway(mounted)).toBe(mounted);
    expect(unmountFromGateway(mounted)).toEqual(GATEWAY);
    expect(unmountFromGateway(GATEWAY)).toBe(GATEWAY);
    const bare: JsonObject = { containers: [{ name: "istio-proxy" }] };
    expect(unmountFromGateway(mountOnGateway(bare))).toEqual(bare);
  });

  it("needs a proxy container and free names", () => {
    expect(() => mountOnGateway({ containers: [{ name: "app" }] })).toThrow(
      expect.objectContaining({
        code: "GATEWAY_NO_PROXY",
        kind: "incompatible",
        hint: expect.stringContaining("--delivery cache-http"),
      }),
    );
    const taken: JsonObject = { ...GATEWAY, volumes: [{ name: "wasme-cache", emptyDir: {} }] };
    expect(() => mountOnGateway(taken)).toThrow(expect.objectContaining({ code: "VOLUME_CONFLICT", kind: "usage" }));
    expect(unmountFromGateway(taken)).toBe(taken);
  });
});

describe("the node cache", () => {
  const settings: CacheSettings = {
    name: "wasme-cache",
    namespace: "wasme",
    image: "registry.example/wasme:1.0",
    imagePullPolicy: "IfNotPresent",
    files: true,
  };

  it("consists of these objects", () => {
    expect(toYaml(...buildCacheObjects(settings))).toBe(golden("cache", ...buildCacheObjects(settings)));
  });

  it("takes another command as it is, without probes", () => {
    const objects = buildCacheObjects({
      ...settings,
      customCommand: ["sleep", "1"],
      tolerations: [{ operator: "Exists" }],
    });
    const daemonSet = JSON.stringify(objects.find((object) => object.kind === "DaemonSet"));
    expect(daemonSet).toContain('"args":["sleep","1"]');
    expect(daemonSet).toContain('"tolerations":[{"operator":"Exists"}]');
    expect(daemonSet).not.toContain("Probe");
    // Or its Service would lead nowhere.
    expect(daemonSet).toContain('"ports":[{"name":"http","containerPort":9110}]');
    expect(JSON.stringify(objects.find((object) => object.kind === "Service"))).toContain('"targetPort":"http"');
  });

  it("has an entry of its own for each image", () => {
    const entry = cacheEntry(request().image);
    expect(entry).toEqual({
      key: `sha256-${"ab".repeat(32)}`,
      value: `registry.example:5000/team/auth:1.2@${MANIFEST_DIGEST}`,
    });
    expect(entry.key).toMatch(/^[-._a-zA-Z0-9]{1,253}$/u);
    expect(cacheEntryPatch([entry, { key: "old", value: null }])).toEqual({
      data: { [entry.key]: entry.value, old: null },
    });
  });

  it("keeps modules under their digest", () => {
    expect(modulePath(MODULE_DIGEST)).toBe(`/var/lib/wasme/${"cd".repeat(32)}.wasm`);
  });
});
