import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import type { ImageStore } from "../store/image-store.ts";
import { replyError, RegistryRefusal } from "./registry-reply.ts";
import { routeRequest } from "./registry-router.ts";
import { UploadSessions } from "./upload-sessions.ts";

/** How a registry server is started. */
export interface RegistryServerOptions {
  /** Where images are kept; other processes may use it at the same time. */
  readonly store: ImageStore;
  /** Address to listen on; default `127.0.0.1`: there is no authentication. */
  readonly host?: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Stands before the repositories in the store's references; default `host:port`. */
  readonly name?: string;
}

/** A running registry. */
export interface RegistryServer {
  /** `http://127.0.0.1:5000`. */
  readonly url: string;
  /** `127.0.0.1:5000`, as image references name it. */
  readonly host: string;
  /** Ends connections and uploads, and waits for it. */
  close(): Promise<void>;
}

/**
 * Serves a store as an OCI registry over http (distribution spec 1.1: pull, push, content discovery, management of
 * manifests). Throws `ADDRESS_IN_USE` (failed) when the port is taken.
 */
export async function startRegistryServer(options: RegistryServerOptions): Promise<RegistryServer> {
  const { store, host = "127.0.0.1", port = 0 } = options;
  const uploads = new UploadSessions(store);
  let name = options.name ?? "";
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const target = request.url ?? "/";
      if (!URL.canParse(target, BASE)) throw new RegistryRefusal(400, "NAME_INVALID", "the path is none");
      const url = new URL(target, BASE);
      const exchange = { request, response, query: url.searchParams, store, uploads, name };
      response.setHeader("docker-distribution-api-version", "registry/2.0");
      if (!/^\/v2(?:\/|$)/u.test(url.pathname)) throw new RegistryRefusal(404, "NAME_UNKNOWN", "the API is at /v2/");
      await routeRequest(exchange, url.pathname.slice("/v2/".length));
    } catch (error) {
      replyError(response, error);
    }
  };
  const server = createServer((request, response) => void answer(request, response));
  server.requestTimeout = 0; // uploads take as long as they take
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw listenError(error, `${host}:${port}`);
  }
  const { port: taken } = server.address() as AddressInfo;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${taken}`;
  name = options.name ?? authority;
  return {
    url: `http://${authority}`,
    host: authority,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await uploads.close();
    },
  };
}

const BASE = "http://registry";

function listenError(error: unknown, address: string): unknown {
  if (errnoOf(error) !== "EADDRINUSE") return error;
  return new WasmeError("failed", "ADDRESS_IN_USE", `cannot listen on ${address}: the port is taken`, {
    hint: "choose another port, or 0 for a free one",
    cause: error,
  });
}
