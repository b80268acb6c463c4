import { isObject, type Json, type JsonObject } from "../domain/json.ts";

/** A TCP address in a bootstrap. */
export interface BootstrapAddress {
  /** Name of the listener, or `admin`. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** Host port and address that a container's port is published on. */
export interface PublishedPort {
  /** Absent: all addresses. */
  readonly host: string | undefined;
  readonly port: number;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|::1|\[::1\])$/u;

/** True for an address only this machine itself can reach. */
export function isLoopback(address: string): boolean {
  return LOOPBACK.test(address);
}

/** The static listeners and the admin interface, as far as they are on TCP. */
export function addressesOf(bootstrap: JsonObject): readonly BootstrapAddress[] {
  const resources = field(bootstrap, "static_resources", "staticResources");
  const listeners = field(resources, "listeners");
  const found = Array.isArray(listeners) ? listeners.map((item: Json) => addressOf(item, nameOf(item))) : [];
  return [...found, addressOf(field(bootstrap, "admin"), "admin")].filter((item) => item !== undefined);
}

/**
 * The bootstrap fit for a container: what listens on loopback listens on all addresses inside, where loopback would be
 * out of reach, and is published on the host's loopback only.
 */
export function forContainer(bootstrap: JsonObject): {
  readonly bootstrap: JsonObject;
  readonly ports: readonly PublishedPort[];
} {
  const ports = addressesOf(bootstrap)
    .filter((item) => item.port !== 0)
    .map(({ address, port }) => ({ host: isLoopback(address) ? hostOf(address) : undefined, port }));
  return { bootstrap: opened(bootstrap), ports };
}

function hostOf(address: string): string {
  return address === "localhost" ? "127.0.0.1" : address;
}

/** Only `socket_address` of listeners and admin: clusters keep theirs. */
function opened(bootstrap: JsonObject): JsonObject {
  const resources = "staticResources" in bootstrap ? "staticResources" : "static_resources";
  const changed = edit(edit(bootstrap, "admin", openAddress), resources, (value) =>
    edit(value, "listeners", (list) => (Array.isArray(list) ? list.map((item: Json) => openAddress(item)) : list)),
  );
  return isObject(changed) ? changed : bootstrap;
}

function openAddress(holder: Json): Json {
  return edit(holder, "address", (address) =>
    edit(edit(address, "socket_address", openSocket), "socketAddress", openSocket),
  );
}

function openSocket(socket: Json): Json {
  return edit(socket, "address", (address) =>
    typeof address === "string" && isLoopback(address) ? "0.0.0.0" : address,
  );
}

function edit(value: Json, name: string, change: (field: Json) => Json): Json {
  if (!isObject(value)) return value;
  const part = value[name];
  return part === undefined ? value : { ...value, [name]: change(part) };
}

function addressOf(holder: Json | undefined, name: string): BootstrapAddress | undefined {
  const socket = field(field(holder, "address"), "socket_address", "socketAddress");
  const address = field(socket, "address");
  const port = field(socket, "port_value", "portValue");
  return typeof address === "string" && typeof port === "number" ? { name, address, port } : undefined;
}

function nameOf(listener: Json): string {
  const name = field(listener, "name");
  return typeof name === "string" ? name : "listener";
}

function field(value: Json | undefined, ...names: readonly string[]): Json | undefined {
  if (!isObject(value)) return undefined;
  const fields: Record<string, unknown> = value;
  const name = names.find((candidate) => fields[candidate] !== undefined);
  return name === undefined ? undefined : (fields[name] as Json);
}
