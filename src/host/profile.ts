import { GOOGLE_LIMITS, NGINX_LIMITS } from "../wasm/hosts/host-limits.ts";

/**
 * The hosts whose rules can be followed. `nginx` is by documentation, not by measurement; `google-tester` is the program
 * Google's plugin test files are written for, which is no proxy and differs from Google's too.
 */
export type ProfileName = "envoy" | "google" | "google-tester" | "nginx";

/** Where hosts differ. */
export interface Profile {
  readonly name: ProfileName;
  /** Bytes of module and configuration together; `undefined` is no limit. */
  readonly maxModuleBytes: number | undefined;
  /** Pages of 64 KiB one VM may have. */
  readonly maxMemoryPages: number;
  /** Milliseconds one callback should take at most; measured after the call and reported. */
  readonly softCallMs: number | undefined;
  /** Host calls this host does not have: linked, answered Unimplemented and reported. */
  readonly unsupportedCalls: ReadonlySet<string>;
  /** Callbacks this host never makes. */
  readonly unsupportedCallbacks: ReadonlySet<string>;
  /**
   * The looser and stricter rules of Google's tester: header names reach the maps as the guest wrote them, a whole map that
   * is not there is a bad argument, a body can be changed in its middle, and a stream has the properties it was given and
   * no others.
   */
  readonly tester: boolean;
}

/** The rules of a host by name. */
export function profileOf(name: ProfileName): Profile {
  return PROFILES[name];
}

/** 1 GiB. */
const ENVOY_PAGES = 16_384;

/**
 * What Google's tester has and their proxies have not: the library it is made of answers these by itself. No tick ever
 * comes of it.
 */
const TESTER_CALLS: ReadonlySet<string> = new Set([
  "proxy_get_shared_data",
  "proxy_set_shared_data",
  "proxy_set_tick_period_milliseconds",
]);

const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  envoy: {
    name: "envoy",
    maxModuleBytes: undefined,
    maxMemoryPages: ENVOY_PAGES,
    softCallMs: undefined,
    unsupportedCalls: new Set(),
    unsupportedCallbacks: new Set(),
    tester: false,
  },
  google: {
    name: "google",
    maxModuleBytes: GOOGLE_LIMITS.maxBytes,
    maxMemoryPages: GOOGLE_LIMITS.maxMemoryPages ?? ENVOY_PAGES,
    softCallMs: 1,
    unsupportedCalls: GOOGLE_LIMITS.calls,
    unsupportedCallbacks: GOOGLE_LIMITS.callbacks,
    tester: false,
  },
  "google-tester": {
    name: "google-tester",
    maxModuleBytes: undefined,
    maxMemoryPages: ENVOY_PAGES,
    softCallMs: undefined,
    unsupportedCalls: new Set([...GOOGLE_LIMITS.calls].filter((name) => !TESTER_CALLS.has(name))),
    unsupportedCallbacks: GOOGLE_LIMITS.callbacks,
    tester: true,
  },
  nginx: {
    name: "nginx",
    maxModuleBytes: undefined,
    maxMemoryPages: ENVOY_PAGES,
    softCallMs: undefined,
    unsupportedCalls: NGINX_LIMITS.calls,
    unsupportedCallbacks: NGINX_LIMITS.callbacks,
    tester: false,
  },
};
