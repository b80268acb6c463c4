import { describe, expect, it } from "vitest";
import { filterIdOf, parseFilterDeployment, problemsText } from "../../../src/domain/filter-deployment.ts";
import { formatReference } from "../../../src/domain/image-reference.ts";

const metadata = { name: "hello", namespace: "shop" };

const filter = (fields: object, istio: unknown = { kind: "Deployment" }) => ({
  metadata,
  spec: { filter: { image: "ghcr.io/acme/hello:v1", ...fields }, deployment: { istio } },
});

const problemsOf = (object: { metadata: typeof metadata; spec?: unknown }): string =>
  problemsText(parseFilterDeployment(object).problems ?? []);

const configOf = (config: unknown): string | undefined => {
  const parsed = parseFilterDeployment(filter({ config }));
  if (parsed.spec === undefined) throw new Error(problemsText(parsed.problems));
  return parsed.spec.config;
};

describe("reading a FilterDeployment", () => {
  it("fills in the old tool's defaults", () => {
    const { spec } = parseFilterDeployment(filter({}));
    expect(spec).toMatchObject({
      id: "hello.shop",
      kind: "Deployment",
      labels: {},
      patchContext: "inbound",
      priority: 10,
      failurePolicy: "closed",
      via: "auto",
      delivery: "auto",
      insecure: false,
      plainHttp: false,
    });
    expect(spec?.config).toBeUndefined();
    expect(spec === undefined ? "" : formatReference(spec.image)).toBe("ghcr.io/acme/hello:v1");
  });

  it("reads every field", () => {
    const { spec } = parseFilterDeployment(
      filter(
        {
          id: "h",
          rootID: "root",
          patchContext: "gateway",
          priority: -3,
          failStrategy: "open",
          phase: "authz",
          imagePullOptions: { pullSecret: "regcred", insecureSkipVerify: true, plainHttp: true },
        },
        { kind: "daemonset", labels: { app: "web" }, via: "wasmplugin", delivery: "cache-http" },
      ),
    );
    expect(spec).toMatchObject({
      id: "h",
      rootId: "root",
      patchContext: "gateway",
      priority: -3,
      failurePolicy: "open",
      phase: "authz",
      pullSecret: "regcred",
      insecure: true,
      plainHttp: true,
      kind: "DaemonSet",
      labels: { app: "web" },
      via: "wasmplugin",
      delivery: "cache-http",
    });
  });

  it("takes a config as a string, as an object and in the old tool's form", () => {
    expect(configOf("plain")).toBe("plain");
    expect(configOf("")).toBeUndefined();
    expect(configOf(null)).toBeUndefined();
    expect(configOf({ a: [1, { b: "c" }] })).toBe('{"a":[1,{"b":"c"}]}');
    const any = (type: string, value?: unknown): unknown => ({
      "@type": `type.googleapis.com/google.protobuf.${type}`,
      value,
    });
    expect(configOf(any("StringValue", "hello"))).toBe("hello");
    expect(configOf(any("StringValue"))).toBeUndefined();
    expect(configOf(any("BytesValue", "aGVsbG8="))).toBe("hello");
    expect(configOf(any("Struct", { a: 1 }))).toBe('{"a":1}');
    expect(() => configOf(any("StringValue", 5))).toThrow("spec.filter.config has @type google.protobuf.StringValue");
    expect(() => configOf(any("BytesValue", "/w=="))).toThrow("not of that type");
    expect(() => configOf(any("Duration", "1s"))).toThrow("no proxy hands to a module");
    expect(() => configOf([1])).toThrow("write other JSON as a string");
  });

  it("names every field that is wrong and what to write", () => {
    expect(problemsOf({ metadata })).toMatchInlineSnapshot(
      `"spec.deployment.istio is missing: write kind and labels there; spec.filter.image is missing: write the image's reference"`,
    );
    expect(problemsOf({ metadata, spec: "nonsense" })).toContain('spec must be an object, not "nonsense"');
    expect(problemsOf(filter({ image: 5 }))).toBe("spec.filter.image must be a string, not 5");
    expect(problemsOf(filter({ image: "UPPER CASE" }))).toMatch(/^spec\.filter\.image cannot be read: /u);
    expect(problemsOf(filter({ patchContext: "inbond" }))).toBe(
      'spec.filter.patchContext must be inbound, outbound, gateway or any, not "inbond"; did you mean inbound?',
    );
    expect(problemsOf(filter({ priority: 1.5 }))).toBe(
      "spec.filter.priority must be a whole number of 32 bits, not 1.5",
    );
    expect(problemsOf(filter({ imagePullOptions: { plainHttp: "yes" } }))).toBe(
      'spec.filter.imagePullOptions.plainHttp must be true or false, not "yes"',
    );
    expect(problemsOf(filter({ imagePullOptions: { pullSecret: "../x" } }))).toContain(
      "cannot be the name of a Secret",
    );
    expect(problemsOf(filter({}, { labels: { version: 1 } }))).toBe(
      'spec.deployment.istio.labels.version must be a string: write it in quotes, "1"',
    );
    expect(problemsOf(filter({}, { labels: { app: "a b" } }))).toContain("cannot be the value of a label");
    expect(problemsOf(filter({}, { labels: { "a,b=c": "d" } }))).toContain("cannot be the key of a label");
    expect(problemsOf(filter({}, { kind: "Deploymnt" }))).toContain("did you mean Deployment?");
  });

  it("tells the id of an object whose other fields are wrong", () => {
    expect(filterIdOf({ metadata, spec: { filter: { id: "mine", image: 5 } } })).toBe("mine");
    expect(filterIdOf({ metadata, spec: 7 })).toBeUndefined();
    expect(filterIdOf({ metadata })).toBe("hello.shop");
    expect(filterIdOf({ metadata, spec: { filter: { id: 5 } } })).toBeUndefined();
  });
});
