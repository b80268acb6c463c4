import { expect, it } from "vitest";
import { planDeploy } from "../../../src/deploy/plan-deploy.ts";
import type { Delivery } from "../../../src/domain/delivery.ts";
import { depsOf, imageOf, requestFor, start } from "./list-bench.ts";

const PROMISE = "files reach the nodes that are there now";
const PRIVATE = "wants credentials for this image";

it.each<[Delivery, boolean, boolean]>([
  ["cache-file", true, false],
  ["cache-http", false, false],
  ["registry", false, true],
])(
  "says of %s whether its promise ends at a node that comes later, and whether proxies may be refused",
  async (delivery, late, refused) => {
    const cluster = await start();
    const image = { ...imageOf("v1"), isPrivate: true } as const;
    const { notes, warnings } = await planDeploy(depsOf(cluster.port()), requestFor("shop", delivery), image);
    expect(notes.some((note) => note.startsWith(PROMISE))).toBe(late);
    expect(warnings.some(({ message }) => message.includes(PRIVATE))).toBe(refused);
  },
);
