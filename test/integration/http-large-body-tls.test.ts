import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHttpTransport, type HttpTransport } from "../../src/platform/http-transport.ts";
import { createServerIdentity, type ServerIdentity } from "../components/certificates.ts";
import { need } from "../components/require-component.ts";

const dir: string = mkdtempSync(join(tmpdir(), "wasme-large-body-"));
let server: Server | undefined;
let transport: HttpTransport | undefined;

beforeAll(() => {
  transport = createHttpTransport({ env: {} });
});
afterAll(() => {
  transport?.close();
  server?.closeAllConnections();
  server?.close();
  rmSync(dir, { recursive: true, force: true });
});

it("reads a large body over TLS in large pieces, and small ones before it over the same connection", async (context) => {
  const identity: ServerIdentity = await need(context, "openssl", () => createServerIdentity(dir, "127.0.0.1"));
  const large = randomBytes(20_000_000);
  const connections = new Set<unknown>();
  server = createServer(
    { cert: readFileSync(identity.certificate), key: readFileSync(identity.key) },
    (request, response) => {
      connections.add(request.socket);
      const body = request.url === "/large" ? large : large.subarray(0, 100_000);
      response.writeHead(200, { "content-length": body.byteLength }).end(body);
    },
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const read = async (path: string): Promise<readonly Uint8Array[]> => {
    const url = new URL(path, origin);
    const response = await transport?.send({ method: "GET", url, tls: { caFile: identity.caFile } });
    const pieces: Uint8Array[] = [];
    for await (const piece of response?.body ?? []) pieces.push(piece);
    return pieces;
  };
  for (const path of ["/small", "/small"]) expect(Buffer.concat(await read(path))).toEqual(large.subarray(0, 100_000));
  const pieces = await read("/large");
  expect(Buffer.concat(pieces).equals(large)).toBe(true);
  // A record of TLS has at most 16 KiB.
  expect(pieces.length).toBeLessThan(large.length / 16_384 / 2);
  expect(connections.size).toBe(1);
  expect(Buffer.concat(await read("/small")).byteLength).toBe(100_000);
  expect(connections.size).toBe(2);
});
