import { describe, expect, it } from "vitest";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { failure } from "../support/failure.ts";
import { scriptedTransport } from "../support/scripted-transport.ts";

/** What a registry answers costs a client no more memory than the answer is worth. */
describe("lists made of next to nothing", () => {
  it.each(["{}", "[]", "0", '""'])("are given up after the first million of %s", async (item) => {
    const count = Math.floor((4 * 1024 * 1024 - 20) / (item.length + 1));
    const page = Buffer.from(`{"tags":[${Array.from({ length: count }, () => item).join(",")}]}`);
    const transport = scriptedTransport(({ url }) => {
      const next = Number(url.searchParams.get("last") ?? 0) + 1;
      return { status: 200, headers: { link: `</v2/a/b/tags/list?last=${next}>; rel="next"` }, body: [page] };
    });
    const client = createRegistryClient({ env: {}, transport });
    const repository = client.repository(parseImageReference("h.io/a/b:v1"));
    expect(await failure(repository.tags())).toMatchObject({ code: "LIST_INVALID" });
    expect(transport.requests).toHaveLength(1);
  });
});
