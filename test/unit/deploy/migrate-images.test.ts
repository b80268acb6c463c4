import { describe, expect, it } from "vitest";
import { findImages, type ImageAnswer } from "../../../src/deploy/migrate-images.ts";
import type { OldCache } from "../../../src/deploy/migrate-old-cache.ts";
import type { ProgressEvent } from "../../../src/domain/events.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";

const CACHE: OldCache = {
  namespace: "wasme",
  name: "wasme-cache",
  daemonSet: undefined,
  today: undefined,
  standIn: undefined,
  configMap: undefined,
  parts: [],
  namespaceObject: undefined,
  space: undefined,
  relabels: false,
  references: [],
};

describe("findImages", () => {
  it("says which of the images that were named is for no filter", async () => {
    const events: ProgressEvent[] = [];
    const answer = (id: string, replace: boolean): ImageAnswer => {
      return { id, replace, reference: parseImageReference("ghcr.io/acme/auth:v1") };
    };
    const deps = { resolveImage: () => Promise.reject(new Error("nobody asked")) };
    const survey = { filters: [], cache: CACHE, filterDeployments: [] };
    const images = await findImages(deps, survey, [answer("atuh", true)], (event) => void events.push(event));
    expect(images.size).toBe(0);
    const message = "--replace-image atuh=ghcr.io/acme/auth:v1 is for none of the old filters that are left";
    expect(events).toEqual([{ type: "warning", message }]);
  });
});
