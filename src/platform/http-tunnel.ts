import { request as requestHttp } from "node:http";
import type { Socket } from "node:net";
import type { HttpProxy } from "./http-proxy.ts";
import { HttpTimeout } from "./http-watchdog.ts";

/** A proxy that cannot be reached, or answered CONNECT with something else than 2xx. */
class ProxyFailed extends Error {
  override readonly name: string = "ProxyFailed";
  readonly code: string = "EPROXY";
}

/** Opens a tunnel to `target` (`host:port`) over the proxy (RFC 9110 section 9.3.6). */
export async function openTunnel(proxy: HttpProxy, target: string, connectMs: number): Promise<Socket> {
  const request = proxy.url.protocol === "https:" ? (await import("node:https")).request : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      method: "CONNECT",
      hostname: proxy.url.hostname.replace(/^\[|\]$/gu, ""),
      port: proxy.url.port === "" ? null : proxy.url.port,
      path: target,
      headers: { host: target, ...proxy.headers },
      agent: false,
    });
    const timer = setTimeout(() => outgoing.destroy(new HttpTimeout("connect", connectMs)), connectMs);
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(
        notReached(error) ? new ProxyFailed(`the proxy ${proxy.url.host} does not answer (${error.code})`) : error,
      );
    });
    const refuse = (status: number): void => {
      clearTimeout(timer);
      outgoing.destroy();
      reject(new ProxyFailed(`the proxy ${proxy.url.host} answered ${status} to CONNECT`));
    };
    outgoing.once("response", (answer) => refuse(answer.statusCode ?? 0));
    outgoing.once("connect", (answer, socket: Socket, head) => {
      const status = answer.statusCode ?? 0;
      if (status < 200 || status > 299 || head.byteLength > 0) {
        socket.destroy();
        refuse(status);
        return;
      }
      clearTimeout(timer);
      resolve(socket);
    });
    outgoing.end();
  });
}

/** There is nothing at the proxy's address; what passes is left to those who try again. */
function notReached({ code = "" }: NodeJS.ErrnoException): boolean {
  return ["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH"].includes(code);
}
