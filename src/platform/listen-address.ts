import { usageError } from "../domain/errors.ts";

/** Where a server is to listen. */
export interface ListenAddress {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/**
 * Parses `HOST:PORT`, `[IPV6]:PORT`, `HOST`, `PORT` or `:PORT`; the last means all addresses, as in other servers, and
 * without a host it is `127.0.0.1`. `localhost` is taken for that too: it may be either of two addresses, and clients
 * try both. Throws `LISTEN_INVALID` (usage).
 */
export function parseListenAddress(text: string, defaultPort: number): ListenAddress {
  const match = ADDRESS.exec(text);
  const { bare, host = "", port } = match?.groups ?? {};
  const number = Number(bare ?? port ?? defaultPort);
  if (match === null || number > 65_535) {
    throw usageError("LISTEN_INVALID", `--listen ${JSON.stringify(text)} is not an address to listen on`, {
      hint: "name it like 127.0.0.1:5000, [::1]:5000, :5000 for all addresses, or 127.0.0.1:0 for a free port",
    });
  }
  if (bare !== undefined || host === "localhost") return { host: "127.0.0.1", port: number };
  return { host: host === "" ? "0.0.0.0" : host.replaceAll(/[[\]]/gu, ""), port: number };
}

const ADDRESS = /^(?:(?<bare>\d+)|(?<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*|(?=:))(?::(?<port>\d+))?)$/u;
