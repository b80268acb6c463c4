import { describe, expect, it } from "vitest";
import { isLoopbackHost } from "../../../src/platform/http-loopback.ts";
import { findProxy } from "../../../src/platform/http-proxy.ts";

const proxy = "http://proxy.test:3128";

describe("findProxy", () => {
  it.each([
    ["https://r.test/", {}, undefined],
    ["https://r.test/", { HTTPS_PROXY: proxy }, `${proxy}/`],
    ["https://r.test/", { https_proxy: proxy, HTTPS_PROXY: "http://other.test" }, `${proxy}/`],
    ["https://r.test/", { HTTP_PROXY: proxy }, undefined],
    ["http://r.test/", { HTTP_PROXY: proxy }, `${proxy}/`],
    ["http://r.test/", { HTTP_PROXY: "proxy.test:3128" }, `${proxy}/`],
    ["http://r.test/", { HTTP_PROXY: " " }, undefined],
    ["http://localhost:5000/", { HTTP_PROXY: proxy }, undefined],
    ["http://[::1]:5000/", { HTTP_PROXY: proxy }, undefined],
    ["http://127.0.0.1/", { HTTP_PROXY: proxy }, undefined],
  ])("of %s with %j is %s", (url, env, expected) => {
    expect(findProxy(new URL(url), env)?.url.href).toBe(expected);
  });

  it.each([
    ["https://r.test/", "*", true],
    ["https://r.test/", "r.test", true],
    ["https://a.r.test/", "r.test", true],
    ["https://a.r.test/", ".r.test", true],
    ["https://r.test/", ".r.test", true],
    ["https://a.r.test/", "*.r.test", true],
    ["https://r.test/", "other.test, R.TEST", true],
    ["https://r.test/", "r.test:443", true],
    ["https://r.test/", "r.test:5000", false],
    ["https://r.test:5000/", "r.test:5000", true],
    ["https://xr.test/", "r.test", false],
    ["https://r.test.evil.example/", "r.test", false],
    ["https://10.1.2.3/", "10.1.0.0/16", true],
    ["https://10.2.2.3/", "10.1.0.0/16", false],
    ["https://10.1.2.3/", "10.1.2.3", true],
    ["https://10.1.2.3/", "2.3", false],
    ["https://[2001:db8::1]/", "2001:db8::/32", true],
    ["https://[2001:db8::1]:5000/", "[2001:db8::1]:5000", true],
    ["https://r.test/", "10.0.0.0/99", false],
    ["https://r.test/", "", false],
  ])("of %s is left out by NO_PROXY=%s: %s", (url, list, exempt) => {
    expect(findProxy(new URL(url), { HTTPS_PROXY: proxy, NO_PROXY: list }) === undefined).toBe(exempt);
  });

  it("takes user info out of the URL and into a header", () => {
    expect(findProxy(new URL("https://r.test"), { HTTPS_PROXY: "http://me:a%3Ab@proxy.test" })).toMatchObject({
      url: new URL("http://proxy.test/"),
      headers: { "proxy-authorization": `Basic ${Buffer.from("me:a:b").toString("base64")}` },
    });
  });

  it("shows no secret of a variable it refuses", () => {
    for (const value of ["socks5://me:secret@x", "http://me:secret%zz@x:3128"]) {
      const find = (): unknown => findProxy(new URL("https://r.test"), { HTTPS_PROXY: value });
      expect(find).toThrow(expect.objectContaining({ code: "PROXY_INVALID" }));
      expect(find).toThrow(/^(?!.*secret)/su);
    }
  });
});

describe("isLoopbackHost", () => {
  it.each(["localhost", "LOCALHOST:5000", "a.b.localhost", "127.0.0.1:5000", "127.255.0.9", "[::1]", "[::1]:5000"])(
    "%s",
    (host) => {
      expect(isLoopbackHost(host)).toBe(true);
    },
  );

  it.each(["localhost.test", "127.0.0.1.test", "127.1", "[::2]", "10.0.0.1", "example.com:127", ".localhost", ""])(
    "not %s",
    (host) => {
      expect(isLoopbackHost(host)).toBe(false);
    },
  );
});
