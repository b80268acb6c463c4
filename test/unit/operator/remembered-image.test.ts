import { expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import { parseFilterDeployment } from "../../../src/domain/filter-deployment.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import { rememberedImage } from "../../../src/operator/remembered-image.ts";

const MANIFEST = digestOf("manifest");
const STATUS = {
  observedGeneration: 2,
  conditions: [{ type: "ImageVerified", status: "True" }],
  image: `example.com/team/hello:v1@${MANIFEST}`,
  moduleDigest: digestOf("module"),
  rootId: "my_root",
  delivery: "cache-http",
  verified: digestOf("verdict"),
};

function object(status: object, filter: object = {}): KubeObject {
  return {
    apiVersion: "wasme.io/v1",
    kind: "FilterDeployment",
    metadata: { name: "hello", namespace: "shop", generation: 2 },
    spec: { filter: { id: "hello", image: "example.com/team/hello:v1", ...filter }, deployment: { istio: {} } },
    status,
  };
}

function remembered(one: KubeObject): ReturnType<typeof rememberedImage> {
  const { spec } = parseFilterDeployment(one);
  if (spec === undefined) throw new Error("the object is wrong");
  return rememberedImage(one, spec);
}

it("takes the image from a status that is about the object as it is", () => {
  expect(remembered(object(STATUS))).toMatchObject({
    manifestDigest: MANIFEST,
    moduleDigest: STATUS.moduleDigest,
    runtimeConfig: { config: { rootIds: ["my_root"] } },
    format: "oci",
  });
  expect(remembered(object({ ...STATUS, delivery: "image-volume" }))?.format).toBe("compat");
  expect(remembered(object({ ...STATUS, rootId: undefined }, { rootID: "mine" }))).toMatchObject({
    runtimeConfig: { config: { rootIds: ["mine"] } },
  });
});

it.each([
  ["was never found good", { verified: undefined }],
  ["could not look at it as it is", { conditions: [{ type: "ImageVerified", status: "False" }] }],
  ["is about an older generation", { observedGeneration: 1 }],
  ["pins another tag", { image: `example.com/team/hello:v2@${MANIFEST}` }],
  ["pins nothing", { image: "example.com/team/hello:v1" }],
  ["holds no reference", { image: "?" }],
  ["names no module", { moduleDigest: "sha256:1" }],
  ["does not tell the root id", { rootId: undefined }],
])("takes nothing from one that %s", (_what, change) => {
  expect(remembered(object({ ...STATUS, ...change }))).toBeUndefined();
});
