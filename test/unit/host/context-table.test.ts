import { expect, it } from "vitest";
import { BaseContext } from "../../../src/host/contexts/base-context.ts";
import { ContextTable } from "../../../src/host/contexts/context-table.ts";
import { pluginConfig } from "../../../src/host/plugin-config.ts";
import { seededRandom } from "../../support/random.ts";

it("holds contexts by id, whatever comes and goes", () => {
  const random = seededRandom(7);
  const table = new ContextTable();
  const expected = new Map<number, BaseContext>();
  for (let id = 0; id < 2000; id += 1) {
    const context = new BaseContext(id, pluginConfig(), undefined);
    table.add(context);
    expected.set(id, context);
    const gone = expected.get(random.int(0, id));
    if (gone === undefined || random.chance(0.3)) continue;
    table.remove(gone);
    table.remove(gone);
    expected.delete(gone.id);
  }
  expect(table.size).toBe(expected.size);
  expect(expected.size).toBeGreaterThan(100);
  for (let id = -1; id < 2001; id += 1) expect(table.get(id)).toBe(expected.get(id));
});
