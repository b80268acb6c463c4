import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { expect, it, onTestFinished } from "vitest";
import type { Context } from "../../../src/cli/context.ts";
import { registryUser } from "../../../src/cli/options/registry.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { tempDir } from "../../support/temp-dir.ts";

it("reads a password that is piped in once, however often a command goes to the registry", async () => {
  const sent: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    sent.push(request.headers.authorization);
    response.writeHead(401, { "www-authenticate": 'Basic realm="registry"' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const home = tempDir();
  const context = {
    env: {},
    clock: systemClock,
    events: () => undefined,
    terminal: { stdin: Readable.from([Buffer.from("s3cret\n")]) },
    paths: { home, dockerConfigDir: home, legacyCredentials: home },
    cwd: home,
  } as unknown as Context;
  const withRegistry = registryUser(context, { username: "alice", passwordStdin: true });
  const alice = `Basic ${Buffer.from("alice:s3cret").toString("base64")}`;
  for (const _ of ["look it up", "read its module"]) {
    sent.length = 0;
    const reference = parseImageReference(`${host}/team/hello:v1`);
    const looked = withRegistry(async (client) => await client.repository(reference).resolve("v1"));
    await expect(looked).rejects.toMatchObject({ kind: "unauthorised" });
    expect(sent).toContain(alice);
  }
});
