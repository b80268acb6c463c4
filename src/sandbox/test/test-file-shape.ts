import type { ProfileName } from "../../host/profile.ts";
import { callout, exchangeFields } from "./exchange-shapes.ts";
import { matcher, phaseExpectation } from "./expect-shapes.ts";
import type {
  Bench,
  Budget,
  Connection,
  ConnectionEvent,
  FilterSettings,
  Given,
  Matrix,
  Phase,
  PhaseBody,
  PhaseHeaders,
  Step,
  Stream,
  TestCase,
  TestFile,
} from "./model.ts";
import { duration, flag, json, number, pattern, string, text, word } from "./scalar-shapes.ts";
import { listOfShape, mapOf, named, object, oneOf, type Shape } from "./shape.ts";
import { content, field, headerValues, property } from "./value-shapes.ts";

const path = string("a path");
const names = listOfShape("names", string("a name"));
const profile: Shape<ProfileName> = word(["envoy", "google", "nginx"]);

const filter: Shape<FilterSettings> = named("Filter", () =>
  object<FilterSettings>(
    "a filter",
    {
      module: field(path, "The compiled module, or a project's folder; default: what this folder builds."),
      image: field(string("a reference"), "An image of the local store, instead of a module."),
      name: field(string("a name"), "Name of the filter, for logs and for tick."),
      rootId: field(string("text"), "Root id; default: the one in runtime-config.json."),
      config: field(json, "Plugin configuration: text as it is, @file the content of a file, anything else as JSON."),
      vmId: field(string("text"), "Filters with the same module, vmId and vmConfig share one VM."),
      vmConfig: field(json, "VM configuration, written like config."),
      env: field(mapOf("variables", text), "Environment variables of the VM."),
      capabilities: field(names, "Only these functions are allowed, in both directions."),
      failurePolicy: field(word(["closed", "open", "reload"]), "What happens to streams when the filter is dead."),
      allowOnHeadersStopIteration: field(flag, "Bodies come although the headers are stopped."),
    },
    { atMostOne: [["module", "image"]] },
  ),
);

const given: Shape<Given> = named("Given", () =>
  object<Given>("given", {
    shared: field(mapOf("shared data", content), "Shared data by key."),
    queues: field(mapOf("queues", listOfShape("messages", content)), "Messages in shared queues by name."),
    properties: field(mapOf("properties", property), "Properties by path with dots: source.address."),
    metadata: field(mapOf("metadata", mapOf("metadata", property)), "Dynamic metadata by filter name and key."),
    filterState: field(mapOf("filter state", content), "Filter state by full key."),
    time: field(
      pattern("a time like 2026-01-01T00:00:00Z", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/u),
      "The wall clock at the start.",
    ),
    seed: field(number({ least: 0, most: 0xffffffff, whole: true }), "Of the random numbers."),
  }),
);

const enqueue = object<NonNullable<Step["enqueue"]>>(
  "enqueue",
  {
    queue: field(string("a name"), "Name of the queue."),
    message: field(content, "The message."),
    vmId: field(string("text"), "VM id of the queue; default: the first filter's."),
  },
  { required: ["queue", "message"] },
);

const step: Shape<Step> = named("Step", () =>
  object<Step>(
    "a step",
    {
      ...exchangeFields,
      advance: field(duration, "Moves the virtual clock; timers that fall due fire."),
      tick: field(
        oneOf<boolean | string>("true, or the name of a filter", { text: tickOf }),
        "Calls proxy_on_tick of a filter, whatever its timer says.",
      ),
      enqueue: field(enqueue, "Puts a message into a shared queue."),
      share: field(mapOf("shared data", content), "Writes shared data by key."),
      foreign: field(
        object<NonNullable<Step["foreign"]>>(
          "foreign",
          {
            id: field(number({ least: 0, whole: true }), "Number of the function."),
            arguments: field(content, "Its arguments."),
          },
          { required: ["id"] },
        ),
        "Calls proxy_on_foreign_function.",
      ),
    },
    { atMostOne: [["request", "advance", "tick", "enqueue", "share", "foreign"]], keys: "some" },
  ),
);

const tickOf: Shape<boolean | string> = {
  schema: () => ({ type: ["boolean", "string"] }),
  read: (value, at, context) =>
    typeof value === "boolean" ? value : string("true or a name").read(value, at, context),
};

const stream: Shape<Stream> = named("Stream", () =>
  object<Stream>(
    "a stream",
    {
      ...exchangeFields,
      name: field(string("a name"), "For messages."),
      at: field(duration, "When it begins, from the start of the test."),
    },
    { required: ["request"] },
  ),
);

const phaseHeaders = object<PhaseHeaders>(
  "headers of a phase",
  {
    headers: field(headerValues, "Exactly these; :method and the like are not added."),
    endStream: field(flag, "No body comes."),
  },
  { required: ["headers"] },
);
const phaseBody = object<PhaseBody>(
  "a body of a phase",
  { chunk: field(content, "The bytes."), endStream: field(flag, "This is the last piece.") },
  { required: ["chunk"] },
);

const PHASES = [
  "requestHeaders",
  "requestBody",
  "requestTrailers",
  "responseHeaders",
  "responseBody",
  "responseTrailers",
  "advance",
] as const;

const phase: Shape<Phase> = named("Phase", () =>
  object<Phase>(
    "a phase",
    {
      requestHeaders: field(phaseHeaders, "Calls proxy_on_request_headers."),
      requestBody: field(phaseBody, "Calls proxy_on_request_body."),
      requestTrailers: field(headerValues, "Calls proxy_on_request_trailers."),
      responseHeaders: field(phaseHeaders, "Calls proxy_on_response_headers."),
      responseBody: field(phaseBody, "Calls proxy_on_response_body."),
      responseTrailers: field(headerValues, "Calls proxy_on_response_trailers."),
      advance: field(duration, "Moves the virtual clock."),
      callouts: field(listOfShape("callouts", callout), "Requests the filter must send now."),
      expect: field(phaseExpectation, "What comes of it."),
    },
    { atMostOne: [PHASES], keys: "some" },
  ),
);

const connectionEvent = object<ConnectionEvent>(
  "an event of a connection",
  {
    downstream: field(content, "Bytes from the client."),
    upstream: field(content, "Bytes from the upstream."),
    close: field(word(["downstream", "upstream"]), "This side closes."),
    after: field(duration, "Virtual time since the event before."),
  },
  { atMostOne: [["downstream", "upstream", "close"]], keys: "some" },
);

const connection: Shape<Connection> = named("Connection", () =>
  object<Connection>(
    "a connection",
    {
      data: field(listOfShape("events", connectionEvent), "What comes from either side, in order."),
      expect: field(
        object<NonNullable<Connection["expect"]>>("expect", {
          upstream: field(matcher, "All bytes the upstream gets."),
          downstream: field(matcher, "All bytes the client gets."),
          closed: field(flag, "The filter closes the connection."),
        }),
        "What must come of it.",
      ),
    },
    { required: ["data"] },
  ),
);

const budget = object<Budget>("a budget", {
  timesEmpty: field(number({ least: 0 }), "Time, as a multiple of a filter that does nothing."),
  hostCalls: field(number({ least: 0 }), "Host calls per stream."),
  memoryPerStream: field(number({ least: 0 }), "Bytes of guest memory that stay behind per stream."),
  microseconds: field(number({ least: 0 }), "CPU time per stream; fails with --strict-budgets only."),
});

const bench = object<Bench>("bench", {
  streams: field(number({ least: 1, most: 10_000_000, whole: true }), "How many; default 20000."),
  budget: field(budget, "The most a stream may cost."),
});

const testCase: Shape<TestCase> = named("Test", () =>
  object<TestCase>(
    "a test",
    {
      name: field(string("a name"), "What it shows, in a few words."),
      skip: field(oneOf<boolean | string>("true or a reason", { text: tickOf }), "Leaves it out; true, or why."),
      only: field(flag, "Leaves all others out."),
      rootId: field(string("text"), "Root id of the first filter."),
      config: field(json, "Plugin configuration of the first filter, instead of the file's."),
      filter: field(filter, "Settings of the first filter, laid over the file's."),
      plugins: field(listOfShape("filters", filter, 1), "Filters of its own, in one chain."),
      profile: field(profile, "Whose rules the host follows."),
      strict: field(flag, "Warnings of the host fail this test."),
      workers: field(number({ least: 1, most: 64, whole: true }), "Worker threads of the proxy; default 1."),
      given: field(given, "What is there before."),
      ...exchangeFields,
      steps: field(listOfShape("steps", step, 1), "Several exchanges, time and timers, in turn."),
      streams: field(listOfShape("streams", stream, 1), "Exchanges that go on at the same time."),
      phases: field(listOfShape("phases", phase, 1), "Single callbacks of one stream, by hand."),
      connection: field(connection, "A TCP connection."),
      bench: field(bench, "Measures the request, with limits."),
    },
    {
      required: ["name"],
      atMostOne: [
        ["request", "steps", "streams", "phases", "connection"],
        ["filter", "plugins"],
      ],
    },
  ),
);

/** A whole test file. */
export const testFile: Shape<TestFile> = object<TestFile>(
  "a test file",
  {
    filter: field(filter, "The filter under test."),
    plugins: field(listOfShape("filters", filter, 1), "Several filters in one chain, instead of filter."),
    profile: field(profile, "Whose rules the host follows; default envoy."),
    strict: field(flag, "Warnings of the host fail a test."),
    given: field(given, "What is there before every test."),
    matrix: field(
      object<Matrix>("a matrix", {
        modules: field(listOfShape("modules", path, 1), "Modules of the first filter."),
        configs: field(listOfShape("configurations", json, 1), "Plugin configurations of the first filter."),
        profiles: field(listOfShape("profiles", profile, 1), "Hosts."),
      }),
      "Runs the file once for every combination.",
    ),
    tests: field(listOfShape("tests", testCase, 1), "The tests."),
  },
  { required: ["tests"], atMostOne: [["filter", "plugins"]] },
);
