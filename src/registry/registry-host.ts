import { isLoopbackHost } from "../platform/http-loopback.ts";
import type { TlsSettings } from "../platform/http-trust.ts";

/** How the scheme of a registry is chosen. */
export interface SchemeOptions {
  /** Plain http everywhere, as the user asked. */
  readonly plainHttp: boolean;
  /** A CA file or `--insecure` was given: the user means TLS. */
  readonly tlsMeant: boolean;
}

/** The first address to try, and the one to try when the server turns out to speak the other scheme. */
export interface RegistryOrigin {
  readonly first: URL;
  /** Only on loopback names: elsewhere TLS is never given up, nor taken up, silently. */
  readonly fallback: URL | undefined;
}

const HUB = "docker.io";
const HUB_API = "registry-1.docker.io";

/** Where the API of a registry lives: `docker.io` is an alias. */
export function apiHost(host: string): string {
  return host === HUB ? HUB_API : host;
}

/** The name of a registry as Docker's config files and helpers write it: the Hub has a legacy URL. */
export function credentialKey(host: string): string {
  return host === HUB ? "https://index.docker.io/v1/" : host;
}

/** https, except with `plainHttp`, and on loopback names, where http is tried first unless TLS is meant. */
export function registryOrigin(host: string, options: SchemeOptions): RegistryOrigin {
  const authority = apiHost(host);
  const https = new URL(`https://${authority}/`);
  const http = new URL(`http://${authority}/`);
  if (options.plainHttp) return { first: http, fallback: undefined };
  if (!isLoopbackHost(host)) return { first: https, fallback: undefined };
  return options.tlsMeant ? { first: https, fallback: http } : { first: http, fallback: https };
}

/** The TLS settings among others; those that are absent, or off, are left out. */
export function pickTls(from: { readonly [K in keyof TlsSettings]: TlsSettings[K] | undefined }): TlsSettings {
  const { caFile, insecure, certFile, keyFile } = from;
  return {
    ...(caFile === undefined ? {} : { caFile }),
    ...(insecure === true ? { insecure } : {}),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
}
