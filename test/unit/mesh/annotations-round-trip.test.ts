import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Annotations,
  mountModules,
  unmountModules,
  USER_VOLUME,
  USER_VOLUME_MOUNT,
} from "../../../src/mesh/sidecar-annotations.ts";

const name = fc.string({ unit: fc.constantFrom("a", "b", "z", "-", "0", "_"), minLength: 1, maxLength: 8 });
const item = fc.dictionary(fc.constantFrom("emptyDir", "configMap", "readOnly"), fc.jsonValue());
const asArray = fc.array(fc.tuple(fc.option(name), item)).map((items) => {
  return items.map(([given, rest]) => (given === null ? rest : { name: given, ...rest }));
});
const asObject = fc.dictionary(name, item);
const spacing = fc.constantFrom(0, 1, 2);
const value = fc
  .tuple(fc.oneof(asArray, asObject), spacing)
  .map(([content, spaces]) => JSON.stringify(content, undefined, spaces));
const annotations = fc.record(
  { other: fc.string(), [USER_VOLUME]: value, [USER_VOLUME_MOUNT]: value },
  { requiredKeys: [] },
) as fc.Arbitrary<Annotations>;

function apply(before: Annotations, changes: Readonly<Record<string, string | null>>): Annotations {
  const kept = Object.entries({ ...before, ...changes }).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return Object.fromEntries(kept);
}

describe("any annotations", () => {
  it("come back word for word, after any number of deploys", () => {
    fc.assert(
      fc.property(annotations, fc.integer({ min: 1, max: 3 }), (before, times) => {
        let now = before;
        for (let at = 0; at < times; at += 1) now = apply(now, mountModules(now).changes);
        expect(apply(now, unmountModules(now).changes)).toEqual(before);
      }),
    );
  });

  it("are changed once: the second deploy writes nothing", () => {
    fc.assert(
      fc.property(annotations, (before) => {
        const mounted = apply(before, mountModules(before).changes);
        expect(mountModules(mounted)).toEqual({ changes: {}, kept: [] });
      }),
    );
  });
});
