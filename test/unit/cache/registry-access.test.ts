import { describe, expect, it } from "vitest";
import { RegistryAccess } from "../../../src/cache/registry-access.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import { createRegistryClient } from "../../../src/registry/client.ts";
import { anonymous } from "../../../src/registry/credential.ts";

describe("access to registries", () => {
  it("forgets what belongs to secrets that are no longer there", () => {
    const access = new RegistryAccess({
      common: anonymous,
      createClient: (credentials) => createRegistryClient({ env: {}, credentials }),
    });
    const reference = parseImageReference("registry.example/team/x:v1");
    const secrets = Array.from({ length: 20 }, (_, index) => JSON.stringify({ auths: {}, index }));
    access.open(reference, undefined);
    for (const secret of secrets) {
      access.open(reference, secret);
      access.keep([secret]);
    }
    expect(access.count).toBe(2);
    access.close();
    expect(access.count).toBe(0);
  });
});
