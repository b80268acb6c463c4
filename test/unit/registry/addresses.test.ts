import { describe, expect, it } from "vitest";
import { isMetadataHost, redirectTarget } from "../../../src/registry/redirects.ts";
import { apiHost, credentialKey, registryOrigin } from "../../../src/registry/registry-host.ts";
import { mergeScopes, repositoryScope } from "../../../src/registry/scopes.ts";

describe("registryOrigin", () => {
  const plain = { plainHttp: false, tlsMeant: false };
  it.each([
    ["ghcr.io", plain, "https://ghcr.io/", undefined],
    ["docker.io", plain, "https://registry-1.docker.io/", undefined],
    ["ghcr.io", { plainHttp: true, tlsMeant: false }, "http://ghcr.io/", undefined],
    ["ghcr.io", { plainHttp: false, tlsMeant: true }, "https://ghcr.io/", undefined],
    ["10.0.0.1:5000", plain, "https://10.0.0.1:5000/", undefined],
    ["localhost:5000", plain, "http://localhost:5000/", "https://localhost:5000/"],
    ["a.localhost", plain, "http://a.localhost/", "https://a.localhost/"],
    ["127.8.0.1:5000", plain, "http://127.8.0.1:5000/", "https://127.8.0.1:5000/"],
    ["[::1]:5000", plain, "http://[::1]:5000/", "https://[::1]:5000/"],
    ["localhost:5000", { plainHttp: false, tlsMeant: true }, "https://localhost:5000/", "http://localhost:5000/"],
    ["localhost:5000", { plainHttp: true, tlsMeant: true }, "http://localhost:5000/", undefined],
    ["localhost.example.com", plain, "https://localhost.example.com/", undefined],
    ["127.0.0.1.example.com", plain, "https://127.0.0.1.example.com/", undefined],
    ["notlocalhost:5000", plain, "https://notlocalhost:5000/", undefined],
  ])("of %s with %j", (host, options, first, fallback) => {
    const origin = registryOrigin(host, options);
    expect([origin.first.href, origin.fallback?.href]).toEqual([first, fallback]);
  });

  it("knows the Hub's names", () => {
    expect([apiHost("docker.io"), apiHost("quay.io")]).toEqual(["registry-1.docker.io", "quay.io"]);
    expect([credentialKey("docker.io"), credentialKey("quay.io")]).toEqual(["https://index.docker.io/v1/", "quay.io"]);
  });
});

describe("redirectTarget", () => {
  const home = new URL("https://r.test:5000/v2/a/blobs/x");

  it.each([
    ["/next?q=a%2Fb", "https://r.test:5000/next?q=a%2Fb"],
    ["next", "https://r.test:5000/v2/a/blobs/next"],
    ["https://cdn.test/x", "https://cdn.test/x"],
    ["//cdn.test/x", "https://cdn.test/x"],
    ["https://user:secret@cdn.test/x", "https://cdn.test/x"],
    ["http://r.test:5000/x", "https://r.test:5000/x"],
  ])("leads to %s", (location, target) => {
    expect(redirectTarget(location, home, home).href).toBe(target);
  });

  it("keeps the origin when the usual port is written out, and only then", () => {
    const registry = new URL("https://r.test/v2/a/blobs/uploads/");
    const target = redirectTarget("https://r.test:443/upload?state=a%3D%3D", registry, registry);
    expect([target.href, target.origin]).toEqual(["https://r.test/upload?state=a%3D%3D", registry.origin]);
    expect(redirectTarget("https://r.test:8443/x", registry, registry).origin).not.toBe(registry.origin);
  });

  it.each([
    ["another host without TLS", "http://cdn.test/x"],
    ["another port without TLS", "http://r.test/x"],
    ["a file", "file:///etc/passwd"],
    ["no URL", "https://[oops"],
    ["a metadata service", "https://169.254.169.254/latest"],
    ["a metadata service in hex", "https://0xa9.0xfe.0xa9.0xfe/"],
    ["a metadata service in IPv6", "https://[::ffff:169.254.169.254]/"],
    ["a metadata service in one number", "https://2852039166/"],
    ["a metadata service in wide digits", "https://169。254。169。254/"],
    ["a metadata service behind NAT64", "https://[64:ff9b::169.254.169.254]/"],
    ["a metadata service with a dot behind its name", "https://metadata.google.internal./"],
  ])("refuses %s", (_name, location) => {
    expect(() => redirectTarget(location, home, home)).toThrow(expect.objectContaining({ code: "REDIRECT_REFUSED" }));
  });

  it("keeps secrets in a refused address to itself", () => {
    expect(() => redirectTarget("http://cdn.test/x?X-Amz-Signature=abc", home, home)).toThrow(/^(?!.*abc)/su);
    expect(() => redirectTarget("http://cdn.test/x?X-Goog-Signature=abc", home, home)).toThrow(/^(?!.*abc)/su);
  });

  it("lets a registry that lives at such an address redirect to itself", () => {
    const there = new URL("http://169.254.1.1:5000/v2/");
    expect(redirectTarget("/x", there, there).href).toBe("http://169.254.1.1:5000/x");
  });
});

describe("isMetadataHost", () => {
  it.each([
    ["169.254.0.1", true],
    ["100.100.100.200", true],
    ["[fe80::1]", true],
    ["[fd00:ec2::254]", true],
    ["metadata.google.internal", true],
    ["metadata.google.internal.", true],
    ["[::ffff:a9fe:a9fe]", true],
    ["[::ffff:6464:64c8]", true],
    ["[::a9fe:a9fe]", true],
    ["[64:ff9b::a9fe:a9fe]", true],
    ["168.63.129.16", true],
    ["[fe8::1]", false],
    ["[::1]", false],
    ["[::ffff:a00:1]", false],
    ["10.0.0.1", false],
    ["[2001:db8::1]", false],
    ["169.254.example.com", false],
  ])("%s: %s", (host, is) => {
    expect(isMetadataHost(host)).toBe(is);
  });
});

describe("mergeScopes", () => {
  it.each([
    [[], [], []],
    [["repository:a:pull"], ["repository:a:pull"], ["repository:a:pull"]],
    [["repository:a:pull,push"], ["repository:a:pull"], ["repository:a:pull,push"]],
    [["repository:b:pull"], ["repository:a:push,pull"], ["repository:a:pull,push", "repository:b:pull"]],
    [["repository:h:5000/a:pull"], ["repository:h:5000/a:push"], ["repository:h:5000/a:pull,push"]],
    [[], ["registry:catalog:*"], ["registry:catalog:*"]],
    [[], ["odd"], ["odd"]],
  ])("%j and %j", (first, second, merged) => {
    expect(mergeScopes(first, second)).toEqual(merged);
  });

  it("starts from what an access needs", () => {
    expect([repositoryScope("a/b", "pull"), repositoryScope("a/b", "push")]).toEqual([
      "repository:a/b:pull",
      "repository:a/b:pull,push",
    ]);
  });
});
