import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import { DELIVERIES } from "../../../src/domain/delivery.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import type { CacheSight } from "../../../src/deploy/choose-delivery.ts";
import { chooseVia, type ViaQuestion } from "../../../src/deploy/choose-via.ts";
import { type Via, VIAS } from "../../../src/deploy/request.ts";
import { PLAIN } from "./plain-question.ts";

function ask(more: Partial<ViaQuestion> = {}): Via {
  return chooseVia({ ...PLAIN, ...more }).via;
}

/** `envoyfilter by registry`, or the error's code. */
function way(more: Partial<ViaQuestion> = {}): string {
  const { via, delivery } = chooseVia({ ...PLAIN, ...more });
  return `${via} by ${delivery}`;
}

const TE_REGISTRY = { via: "trafficextension", delivery: "registry" } as const;
const CACHE: CacheSight = { title: "wasme/wasme-cache", there: true, service: true, files: false, changeable: true };
const NO_CACHE: CacheSight = { ...CACHE, there: false, service: false };

/** As a registry may have it: an artifact of one layer. */
const SINGLE = {
  reference: parseImageReference("h.io/team/hello:v1"),
  source: "registry",
  format: "cncf",
  proxyRefusal: "it needs two layers; there are 1",
} as const;
/** Its registry refuses it to who has no credentials. */
const PRIVATE = {
  reference: SINGLE.reference,
  source: "registry",
  format: "oci",
  isPrivate: true,
} as const;
const COMPAT = { reference: SINGLE.reference, source: "registry", format: "compat" } as const;

describe("chooseVia", () => {
  it.each<[string, Partial<ViaQuestion>, Via]>([
    ["what Istio recommends", {}, "trafficextension"],
    ["the next when that is not served", { served: new Set(["wasmplugin", "envoyfilter"]) }, "wasmplugin"],
    ["what can hold plain text", { config: "text" }, "envoyfilter"],
    ["what can hold a JSON list", { config: "[1]" }, "envoyfilter"],
    ["plugins for an empty text, which is none", { config: "" }, "trafficextension"],
    ["plugins for a JSON object", { config: '{"a":1}' }, "trafficextension"],
    ["what can run an image Istio cannot read", { image: SINGLE }, "envoyfilter"],
    ["plugins where files cannot go", { noFiles: "no hostPath here" }, "trafficextension"],
    ["files without a cluster", { served: undefined }, "envoyfilter"],
    ["the kind the filter has", { current: { via: "wasmplugin", delivery: "registry" } }, "wasmplugin"],
    [
      "another when that cannot express the request any more",
      { current: { via: "wasmplugin", delivery: "registry" }, config: "text" },
      "envoyfilter",
    ],
  ])("takes %s", (_, more, via) => {
    expect(ask(more)).toBe(via);
  });

  it("says why it passed others by", () => {
    const { reason } = chooseVia({ ...PLAIN, config: "text", served: new Set(["wasmplugin", "envoyfilter"]) });
    expect(reason).toBe(
      "TrafficExtension is not served by this cluster; WasmPlugin takes a JSON object as --config, nothing else",
    );
  });

  it("names the rule of Istio that refuses an image, and how to come by one that Istio reads", () => {
    const refused = { ...PLAIN, image: SINGLE };
    const why = "needs an image Istio reads, and it refuses this one: it needs two layers; there are 1";
    expect(chooseVia(refused).reason).toBe(`each of TrafficExtension, WasmPlugin ${why}`);
    expect(chooseVia({ ...refused, requested: "envoyfilter" }).via).toBe("envoyfilter");
    const says = (message: string, hint: string): Error =>
      expect.objectContaining({ message, hint: expect.stringContaining(hint) as string }) as Error;
    const pinned = { ...SINGLE, reference: { ...SINGLE.reference, digest: digestOf("manifest") } };
    expect(() => chooseVia({ ...refused, image: pinned, requested: "wasmplugin" })).toThrow(
      says(`WasmPlugin ${why}`, '"wasme push h.io/team/hello:v1 --format oci"'),
    );
    const stored = { ...SINGLE, source: "store" } as const;
    expect(() => chooseVia({ ...refused, image: stored, requested: "trafficextension" })).toThrow(
      says(`TrafficExtension ${why}`, '"wasme convert h.io/team/hello:v1 NAME --format oci"'),
    );
  });

  it.each<[Partial<ViaQuestion>, string, string]>([
    [{ requested: "wasmplugin", config: "text" }, "usage", "VIA_UNSUITABLE"],
    [{ requested: "envoyfilter", phase: "authn" }, "usage", "VIA_UNSUITABLE"],
    [{ requested: "envoyfilter", delivery: "registry", pullSecret: "regcred" }, "usage", "VIA_UNSUITABLE"],
    [{ requested: "trafficextension", image: SINGLE }, "incompatible", "VIA_UNSUITABLE"],
    [{ requested: "wasmplugin", image: SINGLE }, "incompatible", "VIA_UNSUITABLE"],
    [{ requested: "envoyfilter", noFiles: "no hostPath here" }, "incompatible", "VIA_UNSUITABLE"],
    [{ requested: "trafficextension", served: new Set(["envoyfilter"]) }, "incompatible", "KUBE_KIND_NOT_SERVED"],
    [{ config: "text", phase: "authn" }, "incompatible", "VIA_UNSUITABLE"],
    [{ served: new Set() }, "incompatible", "ISTIO_NOT_INSTALLED"],
    [{ served: undefined, phase: "authn" }, "usage", "VIA_UNSUITABLE"],
  ])("refuses %j as %s", (more, kind, code) => {
    expect(() => ask(more)).toThrow(expect.objectContaining({ kind, code }) as Error);
  });
});

describe("the way a module is delivered", () => {
  it.each<[string, Partial<ViaQuestion>, string]>([
    ["the node cache when it is there", { cache: CACHE }, "trafficextension by cache-http"],
    ["the node cache for any layout", { cache: CACHE, image: SINGLE }, "trafficextension by cache-http"],
    ["the node cache for any configuration", { cache: CACHE, config: "text" }, "envoyfilter by cache-http"],
    ["the registry without a cache", { cache: NO_CACHE }, "trafficextension by registry"],
    [
      "the registry when the cache has no Service",
      { cache: { ...CACHE, service: false } },
      "trafficextension by registry",
    ],
    ["the registry when the cache cannot", { cache: { ...CACHE, failure: "401" } }, "trafficextension by registry"],
    [
      "files for an EnvoyFilter without a cache",
      { requested: "envoyfilter", cache: NO_CACHE },
      "envoyfilter by cache-file",
    ],
    ["what the filter has now", { cache: CACHE, current: TE_REGISTRY }, "trafficextension by registry"],
    [
      "what the filter has now, files too",
      { cache: CACHE, current: { via: "envoyfilter", delivery: "cache-file" }, requested: "envoyfilter" },
      "envoyfilter by cache-file",
    ],
    [
      "another way when that is over",
      { cache: CACHE, current: TE_REGISTRY, image: SINGLE },
      "trafficextension by cache-http",
    ],
    [
      "what is asked for",
      { cache: CACHE, delivery: "registry", current: { via: "trafficextension", delivery: "cache-http" } },
      "trafficextension by registry",
    ],
    [
      "an image as a volume, by a plugin",
      { delivery: "image-volume", image: COMPAT },
      "trafficextension by image-volume",
    ],
    ["files for a plugin", { delivery: "cache-file", requested: "wasmplugin" }, "wasmplugin by cache-file"],
    [
      "a pull secret for the cache",
      { requested: "envoyfilter", cache: CACHE, pullSecret: "s" },
      "envoyfilter by cache-http",
    ],
  ])("is %s", (_, more, expected) => {
    expect(way(more)).toBe(expected);
  });

  const pairs = VIAS.flatMap((requested) => DELIVERIES.map((delivery) => [requested, delivery] as const)).filter(
    ([requested, delivery]) => requested !== "envoyfilter" || delivery !== "image-volume",
  );
  it.each(pairs)("can be %s with %s", (requested, delivery) => {
    expect(way({ requested, delivery, image: COMPAT, cache: NO_CACHE })).toBe(`${requested} by ${delivery}`);
  });

  it("cannot be an image volume for an EnvoyFilter, and another way is named", () => {
    const hint: unknown = expect.stringMatching(/--via wasmplugin.*--delivery cache-http/u);
    expect(() => way({ requested: "envoyfilter", delivery: "image-volume", image: COMPAT })).toThrow(
      expect.objectContaining({ kind: "usage", code: "VIA_UNSUITABLE", hint }) as Error,
    );
  });

  it.each<[Partial<ViaQuestion>, string, RegExp, RegExp]>([
    [{ delivery: "image-volume", image: SINGLE }, "incompatible", /compat layout/u, /--format compat/u],
    [{ delivery: "image-volume", kubernetes: { major: 1, minor: 34 } }, "incompatible", /1\.34/u, /cache-http/u],
    [{ delivery: "image-volume", pullSecret: "s" }, "usage", /--pull-secret/u, /imagePullSecrets/u],
    [{ delivery: "image-volume", noMount: "no proxy" }, "incompatible", /no proxy/u, /cache-http/u],
    [{ delivery: "cache-file", noFiles: "forbidden" }, "incompatible", /forbidden/u, /cache-http/u],
    [{ delivery: "cache-file", cache: { ...CACHE, changeable: false } }, "incompatible", /keeps none/u, /cache-http/u],
    [
      { delivery: "cache-http", cache: { ...CACHE, service: false, changeable: false } },
      "incompatible",
      /no Service/u,
      /registry/u,
    ],
    [{ delivery: "registry", image: SINGLE }, "incompatible", /two layers/u, /cache-http/u],
  ])("refuses %j as %s, naming a way out", (more, kind, message, hint) => {
    const says = {
      kind,
      code: "VIA_UNSUITABLE",
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    };
    expect(() => way({ requested: "wasmplugin", image: COMPAT, ...more })).toThrow(
      expect.objectContaining(says) as Error,
    );
  });

  it("says why, and what it passed by", () => {
    const failing = { ...CACHE, failure: "401 from h.io" };
    const { deliveryReason } = chooseVia({
      ...PLAIN,
      cache: failing,
      current: { via: "trafficextension", delivery: "image-volume" },
      image: { ...COMPAT, format: "oci" },
    });
    expect(deliveryReason).toBe(
      "image-volume is not possible any more; the node cache wasme/wasme-cache cannot fetch it: 401 from h.io; the proxies pull the image themselves",
    );
  });

  it("says that a cache may be there that it may not see", () => {
    const unseen = 'not allowed to get services "wasme-cache" in namespace "wasme"';
    const hidden = { ...CACHE, there: false, service: false, unseen };
    expect(chooseVia({ ...PLAIN, requested: "wasmplugin", cache: hidden })).toMatchObject({
      delivery: "registry",
      deliveryReason: `${unseen}; the proxies pull the image themselves`,
    });
    const asked = { ...PLAIN, requested: "wasmplugin", delivery: "cache-http" } as const;
    expect(() => chooseVia({ ...asked, cache: { ...hidden, there: true, changeable: false } })).toThrow(unseen);
  });

  it("begins with what no kind gets around, not with what another kind would", () => {
    const noFiles = "namespace shop enforces restricted";
    const files = { config: "text", delivery: "cache-file", noFiles } as const;
    expect(() => chooseVia({ ...PLAIN, ...files })).toThrow(
      `no kind of object can express this: EnvoyFilter cannot be used here: ${noFiles}; each of TrafficExtension, WasmPlugin takes a JSON object as --config, nothing else`,
    );
    const volume = { config: "text", delivery: "image-volume", image: COMPAT } as const;
    expect(() => chooseVia({ ...PLAIN, ...volume })).toThrow(
      /express this: each of TrafficExtension, WasmPlugin takes/u,
    );
  });

  it("names only ways out that lead out", () => {
    const hintOf = (more: Partial<ViaQuestion>): unknown => {
      try {
        return chooseVia({ ...PLAIN, ...more }).via;
      } catch (error) {
        return (error as { hint?: string }).hint;
      }
    };
    const text = { config: "text" } as const;
    expect(hintOf({ ...text, delivery: "image-volume", image: COMPAT })).toBe(
      `pass --config '{"key":"value"}'; or deploy with --delivery cache-http`,
    );
    expect(hintOf({ ...text, noFiles: "forbidden" })).toMatch(
      /^pass --config .*; or deploy with --delivery cache-http/u,
    );
    expect(hintOf({ ...text, requested: "wasmplugin" })).toMatch(/^deploy with --via envoyfilter, or pass/u);
    expect(hintOf({ requested: "envoyfilter", noFiles: "forbidden" })).toMatch(/^deploy with --via wasmplugin, or/u);
    const oci = { delivery: "image-volume", image: { ...COMPAT, format: "oci" } } as const;
    const rewrite =
      '"wasme pull h.io/team/hello:v1", then "wasme push h.io/team/hello:v1 --format compat" makes it one';
    expect(hintOf({ ...oci, requested: "envoyfilter" })).toBe("deploy with --delivery cache-http");
    expect(hintOf({ ...oci, ...text })).toBe("deploy with --delivery cache-http");
    expect(hintOf({ ...oci, ...text, requested: "wasmplugin" })).toBe(
      `pass --config '{"key":"value"}', and ${rewrite}`,
    );
    expect(hintOf({ ...oci, config: "{}" })).toBe(`${rewrite}; or deploy with --delivery cache-http`);
    const noFiles = { delivery: "cache-file", cache: { ...CACHE, changeable: false } } as const;
    expect(hintOf({ ...noFiles, ...text })).toMatch(
      /^install it anew with .*--files \| kubectl apply -f -", or deploy with .*cache-http$/u,
    );
    const served: ReadonlySet<Via> = new Set(["envoyfilter", "trafficextension"]);
    expect(hintOf({ requested: "envoyfilter", delivery: "image-volume", image: COMPAT, served })).toBe(
      "deploy with --via trafficextension, or deploy with --delivery cache-http",
    );
    expect(hintOf({ requested: "wasmplugin", delivery: "cache-file", noMount: "x" })).not.toMatch(/--via/u);
  });

  it("sends who has the old tool's cache to the migration", () => {
    const old = { ...CACHE, service: false, changeable: false, old: true };
    expect(() => chooseVia({ ...PLAIN, requested: "wasmplugin", delivery: "cache-http", cache: old })).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("wasme migrate") as string }) as Error,
    );
  });

  it.each<[string, Partial<ViaQuestion>, string]>([
    ["by the node cache, which may have credentials", { cache: CACHE }, "trafficextension by cache-http"],
    ["with the Secret that is named", { cache: NO_CACHE, pullSecret: "s" }, "trafficextension by registry"],
    ["as it is there now", { cache: NO_CACHE, current: TE_REGISTRY }, "trafficextension by registry"],
    ["as it is asked for", { cache: NO_CACHE, delivery: "registry" }, "trafficextension by registry"],
    [
      "by files of a node cache that is there",
      { requested: "envoyfilter", cache: { ...CACHE, service: false } },
      "envoyfilter by cache-file",
    ],
  ])("brings an image that not everybody may read %s", (_, more, expected) => {
    expect(way({ image: PRIVATE, ...more })).toBe(expected);
  });

  it("sends no proxy to a registry that will refuse it: that is final, and takes its traffic", () => {
    const none = "h.io wants credentials for this image, and none would go with it";
    const says = (message: string): Error =>
      expect.objectContaining({
        kind: "incompatible",
        code: "VIA_UNSUITABLE",
        message: expect.stringContaining(message) as string,
        hint: expect.stringContaining("--pull-secret") as string,
      }) as Error;
    for (const requested of ["auto", ...VIAS] as const) {
      expect(() => way({ requested, image: PRIVATE, cache: NO_CACHE })).toThrow(says(none));
    }
    const failing = { ...CACHE, failure: "401 from h.io" };
    expect(() => way({ image: PRIVATE, cache: failing })).toThrow(says(`cannot fetch it: 401 from h.io; ${none}`));
    expect(() => way({ requested: "envoyfilter", delivery: "registry", image: PRIVATE, cache: CACHE })).toThrow(
      says("EnvoyFilter is for public images with --delivery registry"),
    );
  });

  it("does not mount directories into pods because a node could not fetch the module", () => {
    const failing = { ...PLAIN, requested: "envoyfilter", cache: { ...CACHE, failure: "401 from h.io" } } as const;
    expect(() => chooseVia(failing)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining("the node cache wasme/wasme-cache cannot fetch it: 401 from h.io") as string,
        hint: expect.stringContaining("--pull-secret") as string,
      }) as Error,
    );
    expect(chooseVia({ ...failing, pullSecret: "regcred" }).delivery).toBe("cache-http");
  });
});
