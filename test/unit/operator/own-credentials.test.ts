import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { registries } from "../../../src/cli/commands/operator/run.ts";
import type { Context } from "../../../src/cli/context.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { tempDir } from "../../support/temp-dir.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

it("sends the operator's own credentials over no connection that an object made looser", async () => {
  const sent: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    sent.push(request.headers.authorization);
    response.writeHead(401, { "www-authenticate": 'Basic realm="registry"' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const folder = tempDir();
  const authFile = join(folder, "auth.json");
  const auth = Buffer.from("operator:secret").toString("base64");
  await writeFile(authFile, JSON.stringify({ auths: { [host]: { auth } } }));
  const paths = { home: folder, dockerConfigDir: folder, legacyCredentials: join(folder, "none") };
  const context = { env: {}, clock: systemClock, events: () => undefined, paths, cwd: folder };
  const connect = await registries(context as unknown as Context, { authFile: [authFile] });
  const ask = async (flags: { insecure: boolean; plainHttp: boolean }): Promise<readonly (string | undefined)[]> => {
    sent.length = 0;
    const client = connect({ ...flags, credentials: undefined });
    closing.push(() => client.close());
    const reference = parseImageReference(`${host}/team/hello:v1`);
    await client
      .repository(reference)
      .resolve("v1")
      .catch(() => undefined);
    return [...sent];
  };
  expect(await ask({ insecure: false, plainHttp: false })).toContain(`Basic ${auth}`);
  expect(new Set(await ask({ insecure: false, plainHttp: true }))).toEqual(new Set([undefined]));
  expect(new Set(await ask({ insecure: true, plainHttp: false }))).toEqual(new Set([undefined]));
});
