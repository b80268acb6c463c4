import fc from "fast-check";
import { expect, it } from "vitest";
import { WasmeError } from "../../src/domain/errors.ts";
import { formatReference, parseImageReference } from "../../src/domain/image-reference.ts";

const component = fc.stringMatching(/^[a-z0-9]+(?:(?:\.|_|__|-{1,2})[a-z0-9]+){0,2}$/u, { size: "small" });
const host = fc.constantFrom("docker.io", "localhost:5000", "ghcr.io", "a.b-c.d:65000", "[::1]:5000");
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/u);
const digest = fc.stringMatching(/^sha256:[a-f0-9]{64}$/u);

it("every well-formed reference survives parse and format", () => {
  fc.assert(
    fc.property(host, fc.array(component, { minLength: 2, maxLength: 4 }), tag, fc.option(digest), (h, path, t, d) => {
      const text = `${h}/${path.join("/")}:${t}${d === null ? "" : `@${d}`}`;
      fc.pre(text.length < 200);
      expect(formatReference(parseImageReference(text))).toBe(text);
    }),
  );
});

it("any text at all is a reference or a usage error, never a crash", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      const full = outcome(text);
      const again = typeof full === "string" ? outcome(full) : full;
      expect(again).toEqual(full);
      expect(typeof full === "string" || full instanceof WasmeError).toBe(true);
    }),
  );
});

it("every host that is accepted has an address", () => {
  const label = fc.oneof(fc.nat(300).map(String), fc.stringMatching(/^[a-z0-9]{1,4}$/u), fc.constant("xn--a"));
  const name = fc.oneof(
    fc.array(label, { minLength: 2, maxLength: 5 }).map((labels) => labels.join(".")),
    fc.stringMatching(/^\[[0-9a-f:]{1,12}\]$/u),
  );
  fc.assert(
    fc.property(name, fc.nat(99_999), (domain, port) => {
      const text = `${domain}:${port}/team/filter:v1`;
      const accepted = outcome(text) === text;
      expect(URL.canParse(`http://${domain}:${port}/`), text).toBe(accepted);
    }),
  );
});

function outcome(text: string): unknown {
  try {
    return formatReference(parseImageReference(text));
  } catch (error) {
    return error;
  }
}
