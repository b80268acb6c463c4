import { Guest } from "./guest.ts";
import { hostFunctions } from "./host-functions.ts";
import { buffers, type Headers, maps, ProxyState } from "./proxy-state.ts";
import { compileModule, exportNames, importNames, instantiate } from "./webassembly.ts";

/** How a plugin is configured. */
export interface PluginSettings {
  readonly rootId?: string;
  readonly configuration?: string;
  readonly vmConfiguration?: string;
}

/** Drives one instance of a compiled filter as a proxy would; a helper of these tests, not a model of Envoy. */
export class FilterDriver {
  readonly state: ProxyState = new ProxyState();
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  readonly guest: Guest = new Guest();
  #nextId = 1;

  constructor(bytes: Uint8Array) {
    const module = compileModule(bytes);
    this.imports = importNames(module);
    this.exports = exportNames(module);
    const functions = Object.entries(hostFunctions(this.guest, this.state));
    const counted = functions.map(([name, target]) => [name, this.#counting(target as (...args: number[]) => number)]);
    this.guest.attach(instantiate(module, Object.fromEntries(counted)));
  }

  #counting(target: (...args: number[]) => number): (...args: number[]) => number {
    return (...args) => {
      this.state.hostCalls++;
      return target(...args);
    };
  }

  /** Creates and configures a root context; says whether the filter accepted both steps. */
  configure(settings: PluginSettings = {}): { readonly id: number; readonly accepted: boolean } {
    const { rootId = "add_header", configuration = "", vmConfiguration = "" } = settings;
    const first = this.#nextId === 1;
    const id = this.#create(0, rootId);
    this.state.buffers.set(buffers.vmConfiguration, Buffer.from(vmConfiguration));
    const started = !first || this.guest.call("proxy_on_vm_start", id, Buffer.byteLength(vmConfiguration)) !== 0;
    return { id, accepted: started && this.reconfigure(id, configuration) };
  }

  /** Hands a root context a plugin configuration; an empty one cannot be read, as in Envoy. */
  reconfigure(id: number, configuration: string): boolean {
    if (configuration !== "") this.state.buffers.set(buffers.configuration, Buffer.from(configuration));
    const accepted = this.guest.call("proxy_on_configure", id, Buffer.byteLength(configuration)) !== 0;
    this.state.buffers.delete(buffers.configuration);
    return accepted;
  }

  /** Creates a stream context under a root context. */
  stream(root: number): number {
    return this.#create(root, "");
  }

  #create(parent: number, rootId: string): number {
    const id = this.#nextId++;
    this.state.contexts.add(id);
    if (rootId !== "") this.state.property("plugin_root_id", rootId);
    this.guest.call("proxy_on_context_create", id, parent);
    this.state.properties.delete("plugin_root_id");
    return id;
  }

  /** Request headers; the map exists during the callback only. Returns the action and the headers afterwards. */
  requestHeaders(id: number, headers: Headers, end = true): { readonly action: number; readonly headers: Headers } {
    return this.#headers("proxy_on_request_headers", maps.requestHeaders, [id, headers, end]);
  }

  /** The same for response headers. */
  responseHeaders(id: number, headers: Headers, end = true): { readonly action: number; readonly headers: Headers } {
    return this.#headers("proxy_on_response_headers", maps.responseHeaders, [id, headers, end]);
  }

  #headers(
    callback: string,
    map: number,
    [id, headers, end]: [number, Headers, boolean],
  ): {
    readonly action: number;
    readonly headers: Headers;
  } {
    const copy: Headers = headers.map(([name, value]) => [name, value]);
    this.state.headers.set(map, copy);
    const action = this.guest.call(callback, id, copy.length, Number(end)) ?? 0;
    this.state.headers.delete(map);
    return { action, headers: copy };
  }

  /** One piece of the response body, or all that was held so far; returns the action and what the filter left. */
  responseBody(id: number, content: string, end: boolean): { readonly action: number; readonly body: string } {
    return this.#body("proxy_on_response_body", buffers.responseBody, [id, content, end]);
  }

  /** The same for the request body. */
  requestBody(id: number, content: string, end: boolean): { readonly action: number; readonly body: string } {
    return this.#body("proxy_on_request_body", buffers.requestBody, [id, content, end]);
  }

  #body(
    callback: string,
    type: number,
    [id, content, end]: [number, string, boolean],
  ): {
    readonly action: number;
    readonly body: string;
  } {
    const bytes = Buffer.from(content);
    this.state.buffers.set(type, bytes);
    const action = this.guest.call(callback, id, bytes.length, Number(end)) ?? 0;
    const body = Buffer.from(this.state.buffers.get(type) ?? []).toString();
    this.state.buffers.delete(type);
    return { action, body };
  }

  /** The answer to a callout, delivered to the root context as proxies do. */
  answer(root: number, token: number, headers: Headers, body = ""): void {
    this.state.headers.set(maps.callHeaders, headers);
    this.state.buffers.set(buffers.callBody, Buffer.from(body));
    this.state.effectiveContext = root;
    this.guest.call("proxy_on_http_call_response", root, token, headers.length, Buffer.byteLength(body), 0);
    this.state.headers.delete(maps.callHeaders);
    this.state.buffers.delete(buffers.callBody);
  }

  /** Log, done, delete: the order in which Envoy ends an HTTP stream. */
  end(id: number): void {
    this.guest.call("proxy_on_log", id);
    this.guest.call("proxy_on_done", id);
    this.guest.call("proxy_on_delete", id);
    this.state.contexts.delete(id);
  }
}
