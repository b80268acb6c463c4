import { describe, expect, it } from "vitest";
import { HeaderMap } from "../../../src/host/header-map.ts";
import { component } from "../../components/require-component.ts";
import { scriptModule, Scripted, type ScriptedSettings, type ScriptedStream } from "./support/scripted.ts";

const found = await component("clang", () => scriptModule());
const missing = "skip" in found ? found.skip : "";
const module = "skip" in found ? new Uint8Array() : found.ready;
const old = missing === "" ? await scriptModule("c-script-0.1.0") : module;

function run(script: string, settings?: ScriptedSettings): { run: Scripted; stream: ScriptedStream } {
  const scripted = new Scripted(module, script, settings);
  return { run: scripted, stream: scripted.stream() };
}

describe.skipIf(missing !== "")(`HTTP streams${missing && `: ${missing}`}`, () => {
  it("go through their callbacks in order, with sizes and ends", () => {
    const { stream } = run("");
    expect(stream.requestHeaders()).toEqual(["continue", "new #2 1", "rqh #2 3 0"]);
    expect(stream.requestData("abc")).toEqual(["continue", "rqb #2 3 0"]);
    expect(stream.requestData("", true)).toEqual(["continue", "rqb #2 0 1"]);
    expect(stream.requestTrailers()).toEqual(["continue", "rqt #2 1"]);
    expect(stream.responseHeaders(true)).toEqual(["continue", "rsh #2 1 1"]);
    expect(stream.responseData("xy", true)).toEqual(["continue", "rsb #2 2 1"]);
    expect(stream.responseTrailers()).toEqual(["continue", "rst #2 1"]);
    expect(stream.log()).toEqual(["log #2"]);
    expect(stream.destroy()).toEqual(["done #2", "del #2"]);
    expect(stream.destroy()).toEqual([]);
  });

  it("are created for the log alone when nothing else came, and not at all without it", () => {
    const { run: scripted, stream } = run("");
    expect(stream.log()).toEqual(["new #2 1", "log #2"]);
    expect(stream.destroy()).toEqual(["done #2", "del #2"]);
    const unseen = scripted.stream();
    expect(unseen.requestData("abc")).toEqual(["continue"]);
    expect(unseen.destroy()).toEqual([]);
    expect(scripted.plugin.contexts()).toBe(1);
  });

  it("lose each map when its callback answers Continue", () => {
    const look = "get 0 :path; get 2 :status; pairs 0; map_size 0";
    const { run: scripted, stream } = run(
      `rqh: ${look}\nrsh: ${look}\nlog: ${look}; get 0 nope; get 3 t; add 0 a b\ndone: get 0 :path; get 2 :status`,
    );
    expect(stream.requestHeaders(true).slice(3)).toEqual([
      'get 0 :path -> 0 "/"',
      "get 2 :status -> 2",
      'pairs 0 -> 0 {:method: "GET", :path: "/", :authority: "a"}',
      "map_size 0 -> 0 27",
    ]);
    expect(stream.responseHeaders(true).slice(2)).toEqual([
      "get 0 :path -> 2",
      'get 2 :status -> 0 "200"',
      "pairs 0 -> 0 null",
      "map_size 0 -> 2",
    ]);
    expect(scripted.environment.reports.map(({ code, callback }) => [code, callback])).toEqual([
      ["request-map-gone", "proxy_on_response_headers"],
    ]);
    expect(stream.log().slice(1)).toEqual([
      'get 0 :path -> 0 "/"',
      'get 2 :status -> 0 "200"',
      'pairs 0 -> 0 {:method: "GET", :path: "/", :authority: "a"}',
      "map_size 0 -> 2",
      "get 0 nope -> 1",
      "get 3 t -> 1",
      "add 0 a b -> 2",
    ]);
    expect(stream.destroy().slice(1, 3)).toEqual(["get 0 :path -> 2", "get 2 :status -> 2"]);
  });

  it("keep the request's map after a stop, until they go on", () => {
    const { stream } = run("rqh: ret 1\nrsh: get 0 :path; continue 0; get 0 :path; get 2 :status");
    expect(stream.requestHeaders()[0]).toBe("stop-all-and-watermark");
    expect(stream.responseHeaders().slice(2)).toEqual([
      'get 0 :path -> 0 "/"',
      "continue 0 -> 0",
      "get 0 :path -> 2",
      'get 2 :status -> 0 "200"',
    ]);
    expect(stream.callbacks.acts).toEqual(["continueDecoding"]);
  });

  it.each([
    [0, "continue"],
    [1, "stop-all-and-watermark"],
    [2, "continue"],
    [3, "stop-all-and-buffer"],
    [4, "stop-all-and-watermark"],
    [99, "stop-all-and-watermark"],
  ])("take the headers answer %d for %s", (answer, status) => {
    expect(run(`rqh: ret ${answer}`).stream.requestHeaders()[0]).toBe(status);
  });

  it("let bodies come during a stop on headers when the configuration says so", () => {
    const settings = { plugin: { allowOnHeadersStopIteration: true } };
    const { stream } = run("rqh: ret 1\nrqb: get 0 :path", settings);
    expect(stream.requestHeaders()[0]).toBe("stop-iteration");
    expect(stream.requestData("abc")).toEqual(["continue", "rqb #2 3 0", 'get 0 :path -> 0 "/"']);
  });

  it.each([
    [0, "continue"],
    [1, "stop-and-buffer"],
    [2, "stop-and-watermark"],
    [3, "stop-no-buffer"],
    [-1, "stop-no-buffer"],
  ])("take the body answer %d for %s", (answer, status) => {
    const { stream } = run(`rqb: ret ${answer}`);
    stream.requestHeaders();
    expect(stream.requestData("abc")[0]).toBe(status);
  });

  it("show a buffered body whole, and what was changed in it", () => {
    const { stream } = run("rqb: ret 1; buf 0 0 99\nrqb@2: set_buf 0 0 1 ZZ; buf 0 0 99\nrqb@e: buf 0 1 2; ret 0");
    stream.requestHeaders();
    expect(stream.requestData("abc").slice(1)).toEqual(["rqb #2 3 0", 'buf 0 0 99 -> 0 "abc"']);
    expect(stream.requestData("def").slice(1)).toEqual([
      "rqb #2 6 0",
      'buf 0 0 99 -> 0 "abcdef"',
      "set_buf 0 0 1 ZZ -> 0",
      'buf 0 0 99 -> 0 "ZZbcdef"',
    ]);
    const last = stream.requestData("", true);
    expect(last.slice(0, 2)).toEqual(["continue", "rqb #2 7 1"]);
    expect(last.at(-1)).toBe('buf 0 1 2 -> 0 "Zb"');
  });

  it("change bodies in front, behind and whole, and nowhere in between", () => {
    const sets = ["0 0 A", "0 2 BB", "0 9999 abcdef", "6 0 1", "99 5 2", "0xffffffff 0xffffffff 3", "1 1 x"];
    const { stream } = run(`rqb: ${sets.map((set) => `set_buf 0 ${set}; buf 0 0 0xffffffff`).join("; ")}; buf 0 99 1`);
    stream.requestHeaders();
    expect(
      stream
        .requestData("abc")
        .slice(2)
        .filter((_line, at) => at % 2 === 1),
    ).toEqual(
      ["Aabc", "BBbc", "abcdef", "abcdef1", "abcdef12", "abcdef123", "abcdef123"].map(
        (text) => `buf 0 0 0xffffffff -> 0 "${text}"`,
      ),
    );
  });

  it("answer for buffers that are not there as Envoy does", () => {
    const buffers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((type) => `buf ${type} 0 9`).join("; ");
    const { stream } = run(`rqh: ${buffers}; set_buf 1 0 0 x; set_buf 7 0 0 x; set_buf 9 0 0 x; buf_status 0`, {
      plugin: { vmConfiguration: "# vm" },
    });
    expect(stream.requestHeaders().slice(3)).toEqual([
      ...[0, 1, 2, 3].map((type) => `buf ${type} 0 9 -> 0 null`),
      "buf 4 0 9 -> 1",
      "buf 5 0 9 -> 0 null",
      'buf 6 0 9 -> 0 "# vm"',
      "buf 7 0 9 -> 1",
      "buf 8 0 9 -> 0 null",
      "buf 9 0 9 -> 2",
      "set_buf 1 0 0 x -> 2",
      "set_buf 7 0 0 x -> 1",
      "set_buf 9 0 0 x -> 2",
      "buf_status 0 -> 0 0 0",
    ]);
  });

  it("make trailers in the last body callback only", () => {
    const { stream } = run("rqb: add 1 a b\nrsb: add 3 a b; map_size 3");
    stream.requestHeaders();
    expect(stream.requestData("abc").at(-1)).toBe("add 1 a b -> 2");
    expect(stream.callbacks.requestTrailers).toBeUndefined();
    expect(stream.requestData("", true).at(-1)).toBe("add 1 a b -> 0");
    expect(stream.callbacks.requestTrailers?.flat).toEqual(["a", "b"]);
    stream.responseHeaders();
    expect(stream.responseData("abc", true).slice(2)).toEqual(["add 3 a b -> 0", "map_size 3 -> 0 2"]);
    expect(stream.callbacks.responseTrailers?.flat).toEqual(["a", "b"]);
  });

  it("hold trailers while they stop on them", () => {
    const { stream } = run("rqt: get 1 t; ret 1\nrsh: get 1 t");
    stream.requestHeaders();
    expect(stream.requestTrailers()).toEqual(["stop-iteration", "rqt #2 1", 'get 1 t -> 0 "1"']);
    expect(stream.responseHeaders().at(-1)).toBe('get 1 t -> 0 "1"');
  });

  it("are told of metadata", () => {
    const { run: scripted, stream } = run("");
    stream.requestHeaders();
    stream.filter.decodeMetadata(new HeaderMap("trailers", [["m", "1"]]));
    stream.filter.encodeMetadata(new HeaderMap("trailers"));
    expect(scripted.said()).toEqual(["rqm #2 1", "rsm #2 0"]);
  });

  it("answer the request themselves: after the callback, the first answer wins over the returned one", () => {
    const { stream } = run(
      'rqh: local 403 "my details" body {X-A: b} 7; local 404 d "" {} -1; ret 0\nrsh: get 0 :path',
    );
    expect(stream.requestHeaders()[0]).toBe("stop-all-and-watermark");
    expect(stream.callbacks.acts).toEqual(["sendLocalReply 403 my_details", "sendLocalReply 404 d"]);
    expect(stream.callbacks.reply).toMatchObject({ grpcStatus: 7, headers: [["X-A", "b"]] });
    expect(new TextDecoder().decode(stream.callbacks.reply?.body)).toBe("body");
    const response = stream.responseHeaders();
    expect([response[0], response.at(-1)]).toEqual(["continue", 'get 0 :path -> 0 "/"']);
  });

  it("give no gRPC status outside 0 to 16, and say what is wrong with pairs", () => {
    const { run: scripted, stream } = run("rqh: local 403 d b abc 17");
    stream.requestHeaders();
    expect(stream.callbacks.reply).toMatchObject({ grpcStatus: undefined, headers: [] });
    expect(scripted.environment.reports).toMatchObject([
      {
        code: "malformed-pairs",
        severity: "warning",
        contextId: 2,
        plugin: "filter",
        callback: "proxy_on_request_headers",
      },
    ]);
  });

  it("keep 16 bits of the status", () => {
    const { stream } = run("rqh: local 65736 d b {} -1");
    stream.requestHeaders();
    expect(stream.callbacks.reply?.status).toBe(200);
  });

  it("close: the details are set at once, the reset comes after the callback", () => {
    const { stream } = run("rqh: close 0; ret 1\nrqb: close 2; close 3; close 9");
    stream.requestHeaders();
    expect(stream.callbacks.info.responseCodeDetails).toBe("wasm_close_stream");
    expect(stream.callbacks.acts).toEqual(["resetStream wasm_close_stream"]);
    expect(stream.requestData("a").slice(2)).toEqual(["close 2 -> 0", "close 3 -> 0", "close 9 -> 2"]);
    expect(stream.callbacks.acts).toHaveLength(1);
  });

  it("answer odd stream types", () => {
    const { stream } = run("rqh: continue 2; continue 3; continue 9; continue -1; ret 1");
    expect(stream.requestHeaders().slice(3)).toEqual([
      "continue 2 -> 0",
      "continue 3 -> 12",
      "continue 9 -> 2",
      "continue -1 -> 2",
    ]);
    expect(stream.callbacks.acts).toEqual([]);
  });

  it("end with a report where Envoy crashes or sends twice", () => {
    const early = run("rqh: continue 1; ret 1");
    early.stream.requestHeaders();
    expect(early.stream.callbacks.acts).toEqual(["resetStream wasm_continue_without_response"]);
    expect(early.run.environment.reports).toMatchObject([{ code: "continue-without-response", severity: "fault" }]);
    const twice = run("rqh: continue 0");
    expect(twice.stream.requestHeaders(true)[0]).toBe("stop-all-and-watermark");
    expect(twice.stream.callbacks.acts).toEqual(["resetStream wasm_continue_and_continue"]);
    const back = run("rsh: continue 1");
    back.stream.requestHeaders(true);
    expect(back.stream.responseHeaders()[0]).toBe("stop-all-and-watermark");
    expect(back.stream.callbacks.acts).toEqual(["resetStream wasm_continue_and_continue"]);
    const legal = run("rqh: continue 0; ret 1\nrqb: continue 0");
    legal.stream.requestHeaders();
    legal.stream.requestData("a");
    expect(legal.stream.callbacks.acts).toEqual(["continueDecoding", "continueDecoding"]);
    expect(legal.run.environment.reports).toEqual([]);
  });

  it("change headers with Envoy's rules and tell the route cache of request headers", () => {
    const { stream } = run(
      "rqh: add 0 Host b; add 0 X-A 1; add 0 x-a 2; replace 0 x-a 3; map_size 0; remove 0 nope; get 0 HOST; set_pairs 0 {:PATH: /x}; pairs 0; add 4 a b; get 8 a; map_size 6",
    );
    expect(stream.requestHeaders().slice(3)).toEqual([
      "add 0 Host b -> 0",
      "add 0 X-A 1 -> 0",
      "add 0 x-a 2 -> 0",
      "replace 0 x-a 3 -> 0",
      "map_size 0 -> 0 33",
      "remove 0 nope -> 0",
      'get 0 HOST -> 0 "a,b"',
      "set_pairs 0 {:PATH: /x} -> 0",
      'pairs 0 -> 0 {:path: "/x"}',
      "add 4 a b -> 2",
      "get 8 a -> 2",
      "map_size 6 -> 2",
    ]);
    expect(stream.callbacks.acts).toEqual(Array.from({ length: 6 }, () => "clearRouteCache"));
  });

  it("warn of a content-length that the changed body does not fit, once", () => {
    const { run: scripted, stream } = run("rqb: set_buf 0 0 0 x; set_buf 0 0 0 y\nrsb: set_buf 1 0 1 x");
    stream.request.add("content-length", "3");
    stream.requestHeaders();
    stream.requestData("abc", true);
    stream.response.add("content-length", "1");
    stream.responseHeaders();
    stream.responseData("a", true);
    expect(scripted.environment.reports.map(({ code, message }) => [code, message.includes("request")])).toEqual([
      ["content-length-left", true],
    ]);
  });

  it("see ABI 0.1.0 as it was: no end of stream, missing headers are empty, a configuration to ask for", () => {
    const scripted = new Scripted(
      old,
      "cfg: configuration\nrqh: get 0 nope; configuration; continue_request; ret 1; clear_route_cache; get 3 nope\nlog: get 3 nope",
    );
    expect(scripted.environment.lines).toEqual([]);
    const stream = scripted.stream();
    expect(stream.requestHeaders(true)).toEqual([
      "stop-all-and-watermark",
      "new #2 1",
      "rqh #2 3",
      "get 0 nope -> 0 null",
      "configuration -> 0 null",
      "continue_request -> 0",
      "clear_route_cache -> 0",
      "get 3 nope -> 2",
    ]);
    expect(stream.callbacks.acts).toEqual(["clearRouteCache", "continueDecoding"]);
    expect(stream.log().at(-1)).toBe("get 3 nope -> 0 null");
  });
});
