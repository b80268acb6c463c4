import { expect, it } from "vitest";
import type { CacheSight } from "../../../src/deploy/choose-delivery.ts";
import type { ViaQuestion } from "../../../src/deploy/choose-via.ts";
import { chooseWay } from "../../../src/deploy/choose-way.ts";
import { VIAS } from "../../../src/deploy/request.ts";
import { PLAIN } from "./plain-question.ts";

/** A cache whose pods are there and whose Service is not, as who only uses it sees it. */
const HALF: CacheSight = { title: "wasme/wasme-cache", there: true, service: false, files: false, changeable: false };
const UNSEEN = 'not allowed to get services "wasme-cache" in namespace "wasme"';
const OWNED = { owner: { apiVersion: "wasme.io/v1", kind: "FilterDeployment", name: "hello", uid: "u" } };
/** `trafficextension by registry`, or code and message of the error. */
function way(more: Partial<ViaQuestion>, request: Parameters<typeof chooseWay>[0] = OWNED): string {
  try {
    const { via, delivery } = chooseWay(request, { ...PLAIN, cache: HALF, ...more });
    return `${via} by ${delivery}`;
  } catch (error) {
    const { code, message } = error as { readonly code: string; readonly message: string };
    return `${code} ${message}`;
  }
}

it("waits for a node cache that is only half there, where a filter gets its module by it", () => {
  for (const via of VIAS) {
    const current = { via, delivery: "cache-http" } as const;
    expect(way({ current })).toBe("CACHE_NOT_INSTALLED the node cache wasme/wasme-cache has no Service");
    expect(way({ current, cache: { ...HALF, unseen: UNSEEN } })).toBe(`KUBE_FORBIDDEN ${UNSEEN}`);
    expect(way({ current, cache: { ...HALF, service: true } })).toBe(`${via} by cache-http`);
    // Nothing of it is there yet: planning by it says that it is not installed.
    const none = { ...HALF, there: false, changeable: true };
    expect(way({ current, cache: none })).toBe(`${via} by cache-http`);
  }
  // Another way was asked for, or is taken already; and a person sees in the plan what is taken instead.
  const by = (delivery: "cache-http" | "registry") => ({ current: { via: "wasmplugin", delivery } }) as const;
  expect(way({ ...by("cache-http"), delivery: "registry" })).toBe("wasmplugin by registry");
  expect(way(by("registry"))).toBe("wasmplugin by registry");
  expect(way(by("cache-http"), {})).toBe("wasmplugin by registry");
});

it("names the right that hides the node cache where nothing else is left, but not what the object itself gets wrong", () => {
  const unseen = { ...HALF, unseen: UNSEEN };
  const text = { config: "text" };
  expect(way(text)).toMatch(/^VIA_UNSUITABLE no kind .*it keeps none/u);
  expect(way({ ...text, cache: unseen })).toBe(`KUBE_FORBIDDEN ${UNSEEN}`);
  expect(way({ ...text, requested: "wasmplugin", cache: unseen })).toMatch(/^VIA_UNSUITABLE .*a JSON object/u);
  expect(way({ ...text, cache: unseen }, {})).toMatch(
    /^VIA_UNSUITABLE .*it keeps none.*; not allowed to get services/u,
  );
  const asked = (cache: CacheSight) => () => chooseWay({}, { ...PLAIN, ...text, cache });
  const hint = "ask for a role with that verb, or deploy with --delivery registry";
  expect(asked(unseen)).toThrow(expect.objectContaining({ hint: expect.stringContaining(hint) }));
  expect(asked(unseen)).toThrow(expect.objectContaining({ hint: expect.not.stringContaining("cache-http") }));
  expect(asked(HALF)).toThrow(expect.objectContaining({ hint: expect.stringContaining("cache manifests --files") }));
  expect(way({ ...text, cache: unseen, delivery: "registry" }, {})).toBe("envoyfilter by registry");
});

it("names the command that installs this very cache", () => {
  const near = { ...HALF, title: "edge/near" };
  const current = { via: "wasmplugin", delivery: "cache-http" } as const;
  const asked =
    (more: Partial<ViaQuestion>, request: Parameters<typeof chooseWay>[0] = {}) =>
    (): unknown =>
      chooseWay(request, { ...PLAIN, cache: near, ...more });
  const hint = (command: string): unknown =>
    expect.objectContaining({ hint: expect.stringContaining(`${command} -n edge --name near | kubectl apply -f -`) });
  expect(asked({ current }, OWNED)).toThrow(hint("wasme cache manifests"));
  expect(asked({ delivery: "cache-http" })).toThrow(hint("wasme cache manifests"));
  expect(asked({ delivery: "cache-file" })).toThrow(hint("wasme cache manifests --files"));
});
