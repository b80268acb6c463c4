import { decodePairs, encodePairs, type Guest } from "./guest.ts";
import type { Headers, ProxyState } from "./proxy-state.ts";

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const EMPTY = 7;
const CAS_MISMATCH = 8;

type HostFunction = (...args: number[]) => number;

/** The host functions of interface 0.2.1 that the SDK uses, over a state the test holds. */
export function hostFunctions(guest: Guest, state: ProxyState): Record<string, unknown> {
  return {
    ...commonFunctions(guest, state),
    ...headerFunctions(guest, state),
    ...bufferFunctions(guest, state),
    ...streamFunctions(guest, state),
    ...sharedFunctions(guest, state),
    ...metricFunctions(guest, state),
  };
}

function commonFunctions(guest: Guest, state: ProxyState): Record<string, HostFunction> {
  return {
    proxy_log: (level = 0, text = 0, size = 0) => {
      state.logs.push({ level, text: guest.text(text, size) });
      return OK;
    },
    proxy_get_log_level: (out = 0) => {
      guest.number(out, state.logLevel);
      return OK;
    },
    proxy_get_current_time_nanoseconds: (out = 0) => {
      guest.long(out, state.now);
      return OK;
    },
    proxy_set_tick_period_milliseconds: (period = 0) => {
      state.tickPeriod = period;
      return OK;
    },
    proxy_get_property: (path = 0, size = 0, out = 0, outSize = 0) => {
      const value = state.properties.get(guest.text(path, size));
      if (value === undefined) return NOT_FOUND;
      guest.give(value, out, outSize);
      return OK;
    },
    proxy_set_property: (path = 0, size = 0, value = 0, valueSize = 0) => {
      state.properties.set(guest.text(path, size), guest.bytes(value, valueSize));
      return OK;
    },
    proxy_call_foreign_function: (name = 0, nameSize = 0, arg = 0, argSize = 0, out = 0, outSize = 0) => {
      const target = state.foreign.get(guest.text(name, nameSize));
      if (target === undefined) return NOT_FOUND;
      guest.give(target(guest.bytes(arg, argSize)), out, outSize);
      return OK;
    },
    proxy_done: () => OK,
  };
}

function headerFunctions(guest: Guest, state: ProxyState): Record<string, HostFunction> {
  const on = (type: number, use: (map: Headers) => number): number => {
    const map = state.headers.get(type);
    return map === undefined ? BAD_ARGUMENT : use(map);
  };
  return {
    proxy_get_header_map_value: (type = 0, name = 0, size = 0, out = 0, outSize = 0) =>
      on(type, (map) => {
        const wanted = guest.text(name, size).toLowerCase();
        const found = map.find((pair) => pair[0] === wanted);
        if (found === undefined) return NOT_FOUND;
        guest.give(found[1], out, outSize);
        return OK;
      }),
    proxy_add_header_map_value: (type = 0, name = 0, size = 0, value = 0, valueSize = 0) =>
      on(type, (map) => {
        map.push([guest.text(name, size).toLowerCase(), guest.text(value, valueSize)]);
        return OK;
      }),
    proxy_replace_header_map_value: (type = 0, name = 0, size = 0, value = 0, valueSize = 0) =>
      on(type, (map) => {
        const key = guest.text(name, size).toLowerCase();
        remove(map, key);
        map.push([key, guest.text(value, valueSize)]);
        return OK;
      }),
    proxy_remove_header_map_value: (type = 0, name = 0, size = 0) =>
      on(type, (map) => {
        remove(map, guest.text(name, size).toLowerCase());
        return OK;
      }),
    proxy_get_header_map_pairs: (type = 0, out = 0, outSize = 0) => {
      guest.give(encodePairs(state.headers.get(type) ?? []), out, outSize);
      return OK;
    },
    proxy_set_header_map_pairs: (type = 0, data = 0, size = 0) =>
      on(type, (map) => {
        map.splice(0, map.length, ...decodePairs(guest.bytes(data, size)));
        return OK;
      }),
    proxy_get_header_map_size: (type = 0, out = 0) =>
      on(type, (map) => {
        guest.number(out, map.flat().join("").length);
        return OK;
      }),
  };
}

function remove(map: Headers, name: string): void {
  for (let index = map.length - 1; index >= 0; index--) if (map[index]?.[0] === name) map.splice(index, 1);
}

function bufferFunctions(guest: Guest, state: ProxyState): Record<string, HostFunction> {
  return {
    proxy_get_buffer_bytes: (type = 0, start = 0, length = 0, out = 0, outSize = 0) => {
      const buffer = state.buffers.get(type);
      if (buffer === undefined) return NOT_FOUND;
      guest.give(buffer.slice(start >>> 0, (start >>> 0) + (length >>> 0)), out, outSize);
      return OK;
    },
    proxy_get_buffer_status: (type = 0, out = 0, outFlags = 0) => {
      const buffer = state.buffers.get(type);
      if (buffer === undefined) return NOT_FOUND;
      guest.number(out, buffer.length);
      guest.number(outFlags, 0);
      return OK;
    },
    proxy_set_buffer_bytes: (type = 0, start = 0, length = 0, data = 0, size = 0) => {
      const buffer = state.buffers.get(type);
      if (buffer === undefined) return NOT_FOUND;
      const content = guest.bytes(data, size);
      const at = start >>> 0;
      if (at > 0 && at < buffer.length) return BAD_ARGUMENT;
      const parts = at === 0 ? [content, buffer.slice(length >>> 0)] : [buffer, content];
      state.buffers.set(type, Buffer.concat(parts));
      return OK;
    },
  };
}

function streamFunctions(guest: Guest, state: ProxyState): Record<string, HostFunction> {
  return {
    proxy_continue_stream: (type = 0) => {
      state.resumed.push(type);
      return OK;
    },
    proxy_close_stream: (type = 0) => {
      state.closed.push(type);
      return OK;
    },
    proxy_set_effective_context: (id = 0) => {
      if (!state.contexts.has(id)) return BAD_ARGUMENT;
      state.effectiveContext = id;
      return OK;
    },
    proxy_send_local_response: (status = 0, ...rest: number[]) => {
      const [details = 0, detailsSize = 0, body = 0, bodySize = 0, headers = 0, headersSize = 0, grpcStatus = 0] = rest;
      state.localReplies.push({
        status,
        body: guest.text(body, bodySize),
        headers: decodePairs(guest.bytes(headers, headersSize)),
        details: guest.text(details, detailsSize),
        grpcStatus,
      });
      return OK;
    },
    proxy_http_call: (...args: number[]) => {
      const [name = 0, nameSize = 0, headers = 0, headersSize = 0, body = 0, bodySize = 0] = args;
      const [timeout = 0, out = 0] = args.slice(8);
      const cluster = guest.text(name, nameSize);
      if (cluster === "unknown") return BAD_ARGUMENT;
      const token = 4 + state.calls.length * 4;
      const list = decodePairs(guest.bytes(headers, headersSize));
      state.calls.push({ token, cluster, headers: list, body: guest.text(body, bodySize), timeout });
      guest.number(out, token);
      return OK;
    },
  };
}

function sharedFunctions(guest: Guest, state: ProxyState): Record<string, HostFunction> {
  return {
    proxy_get_shared_data: (key = 0, size = 0, out = 0, outSize = 0, outCas = 0) => {
      const name = guest.text(key, size);
      const found = state.shared.get(name);
      if (found === undefined) return NOT_FOUND;
      state.afterRead(name);
      guest.give(found.value, out, outSize);
      guest.number(outCas, found.cas);
      return OK;
    },
    proxy_set_shared_data: (key = 0, size = 0, value = 0, valueSize = 0, cas = 0) => {
      const name = guest.text(key, size);
      const found = state.shared.get(name);
      if (found !== undefined && cas !== 0 && cas !== found.cas) return CAS_MISMATCH;
      state.shared.set(name, { value: guest.bytes(value, valueSize), cas: ++state.casCounter });
      return OK;
    },
    proxy_register_shared_queue: (name = 0, size = 0, out = 0) => {
      const text = guest.text(name, size);
      let index = state.queues.findIndex((queue) => queue.name === text);
      if (index < 0) index = state.queues.push({ name: text, items: [] }) - 1;
      guest.number(out, index + 1);
      return OK;
    },
    proxy_resolve_shared_queue: (...args: number[]) => {
      const [name = 0, size = 0, out = 0] = args.slice(2);
      const text = guest.text(name, size);
      const index = state.queues.findIndex((queue) => queue.name === text);
      if (index < 0) return NOT_FOUND;
      guest.number(out, index + 1);
      return OK;
    },
    proxy_enqueue_shared_queue: (id = 0, data = 0, size = 0) => {
      const queue = state.queues[id - 1];
      if (queue === undefined) return NOT_FOUND;
      queue.items.push(guest.bytes(data, size));
      return OK;
    },
    proxy_dequeue_shared_queue: (id = 0, out = 0, outSize = 0) => {
      const queue = state.queues[id - 1];
      if (queue === undefined) return NOT_FOUND;
      const item = queue.items.shift();
      if (item === undefined) return EMPTY;
      guest.give(item, out, outSize);
      return OK;
    },
  };
}

/** Numbers of metrics end in their type, as in Envoy; increments and records are 64 bits wide. */
function metricFunctions(guest: Guest, state: ProxyState): Record<string, unknown> {
  const find = (id: number): { type: number; value: bigint } | undefined => state.metrics[(id >> 2) - 1];
  return {
    proxy_define_metric: (type: number, name: number, size: number, out: number) => {
      const count = state.metrics.push({ type, name: guest.text(name, size), value: 0n });
      guest.number(out, (count << 2) | type);
      return OK;
    },
    proxy_increment_metric: (id: number, offset: bigint) => {
      const metric = find(id);
      if (metric === undefined) return NOT_FOUND;
      if (metric.type === 2 || (metric.type === 0 && offset <= 0n)) return BAD_ARGUMENT;
      metric.value += offset;
      return OK;
    },
    proxy_record_metric: (id: number, value: bigint) => {
      const metric = find(id);
      if (metric === undefined) return NOT_FOUND;
      metric.value = metric.type === 0 ? metric.value + value : value;
      return OK;
    },
    proxy_get_metric: (id: number, out: number) => {
      const metric = find(id);
      if (metric === undefined) return NOT_FOUND;
      if (metric.type === 2) return BAD_ARGUMENT;
      guest.long(out, metric.value);
      return OK;
    },
  };
}
