import { expect, it } from "vitest";
import { comparable } from "../../../src/deploy/same-object.ts";

it("shows no difference between an object of a list and the same in an answer to a write", () => {
  const metadata = { name: "web", namespace: "shop" };
  const listed = { metadata, spec: { replicas: 1 }, apiVersion: "apps/v1", kind: "Deployment" };
  const written = { kind: "Deployment", apiVersion: "apps/v1", metadata, spec: { replicas: 1 }, status: {} };
  expect(JSON.stringify(comparable(listed))).toBe(JSON.stringify(comparable(written)));
});
