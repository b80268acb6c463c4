import { LOG_LEVELS } from "../../host/enums.ts";
import type {
  CalloutExpectation,
  Expectation,
  HeaderExpectations,
  LogExpectation,
  Matcher,
  MatcherRules,
  ModuleExpectation,
  PausePlace,
  PhaseExpectation,
  RequestExpectation,
  ResponseExpectation,
} from "./model-expect.ts";
import { base64, duration, flag, json, number, regex, string, text, word } from "./scalar-shapes.ts";
import { type Fields, listOfShape, mapOf, named, object, oneOf, type Shape } from "./shape.ts";
import { field } from "./value-shapes.ts";

const rules: Shape<MatcherRules> = named("MatcherRules", () =>
  object<MatcherRules>(
    "a matcher",
    {
      equals: field(text, "Equal as text."),
      contains: field(text, "Somewhere in it."),
      matches: field(regex, "A regular expression that is found in it."),
      prefix: field(text, "How it begins."),
      suffix: field(text, "How it ends."),
      absent: field(flag, "true: it is not there."),
      present: field(flag, "true: it is there, whatever it is."),
      file: field(string("a path"), "Equal to the bytes of a file beside the test file."),
      json: field(json, "Equal as JSON."),
      base64: field(base64, "Equal to these bytes."),
      not: field(matcher, "The other matcher does not hold."),
    },
    { keys: "some" },
  ),
);

/** A value to be equal to, or rules. */
export const matcher: Shape<Matcher> = named("Matcher", () =>
  oneOf<Matcher>("a value or a matcher", { text, map: rules }),
);

const headers: Shape<HeaderExpectations> = named("HeaderExpectations", () =>
  mapOf(
    "headers",
    oneOf<Matcher | readonly Matcher[]>("a value, a matcher or a list of them", {
      text,
      map: rules,
      list: listOfShape("the values of a header", matcher),
    }),
  ),
);

const responseFields: Fields<ResponseExpectation> = {
  status: field(matcher, "The status."),
  headers: field(headers, "Headers by name; those not named do not matter."),
  body: field(matcher, "The whole body."),
  trailers: field(headers, "Trailers by name."),
  details: field(matcher, "Why, in Envoy's words (response.code_details)."),
  reset: field(flag, "The stream is broken off."),
};

const response: Shape<ResponseExpectation> = named("ResponseExpectation", () =>
  object<ResponseExpectation>("an expected response", responseFields),
);

const requestFields: Fields<RequestExpectation> = {
  method: field(matcher, "The header :method."),
  path: field(matcher, "The header :path."),
  authority: field(matcher, "The header :authority."),
  headers: field(headers, "Headers by name; those not named do not matter."),
  body: field(matcher, "The whole body."),
  trailers: field(headers, "Trailers by name."),
};

const request: Shape<RequestExpectation> = named("RequestExpectation", () =>
  object<RequestExpectation>("what the upstream must get", requestFields),
);

/** What a callout must hold. */
export const calloutExpectation: Shape<CalloutExpectation> = named("CalloutExpectation", () =>
  object<CalloutExpectation>("what a callout must hold", {
    ...requestFields,
    timeout: field(duration, "Its time limit."),
    service: field(matcher, "gRPC: the service."),
    message: field(matcher, "gRPC: the one message of a unary call."),
    messages: field(listOfShape("messages", matcher), "gRPC: the messages sent on a stream."),
    metadata: field(headers, "gRPC: initial metadata by name."),
  }),
);

const logLine: Shape<LogExpectation> = named("LogExpectation", () =>
  object<LogExpectation>(
    "an expected log line",
    {
      level: field(word(LOG_LEVELS), "Only lines of this level."),
      text: field(text, "The whole line."),
      contains: field(text, "Somewhere in it."),
      matches: field(regex, "A regular expression that is found in it."),
      absent: field(flag, "true: no such line."),
      source: field(word(["log", "stdout", "stderr", "host"]), "Where the line came from."),
      times: field(number({ least: 1, whole: true }), "Exactly so many such lines."),
    },
    {
      keys: "some",
      atMostOne: [
        ["text", "contains", "matches"],
        ["absent", "times"],
      ],
    },
  ),
);

const log = listOfShape("log lines", logLine);

const moduleShape: Shape<ModuleExpectation> = named("ModuleExpectation", () =>
  object<ModuleExpectation>("what the module must be", {
    abi: field(text, "ABI version: 0.1.0, 0.2.0 or 0.2.1."),
    imports: field(listOfShape("names", string("a name")), "Host functions it must import."),
    importsAbsent: field(listOfShape("names", string("a name")), "Host functions it must not import."),
    callbacks: field(listOfShape("names", string("a name")), "Callbacks it must export."),
    maxBytes: field(number({ least: 0, whole: true }), "The most bytes it may have."),
  }),
);

const PLACES: readonly PausePlace[] = [
  "request headers",
  "request body",
  "request trailers",
  "response headers",
  "response body",
  "response trailers",
];

type MetricRange = { readonly atLeast?: number; readonly atMost?: number };
type MetricExpectation = number | MetricRange;

const metric: Shape<MetricExpectation> = oneOf<MetricExpectation>("a number or a range", {
  text: number(),
  map: object<MetricRange>(
    "a range",
    { atLeast: field(number(), "No less."), atMost: field(number(), "No more.") },
    { keys: "some" },
  ),
});

type Load = NonNullable<Expectation["load"]>;

/** Everything that can be expected of an exchange, or of a whole test. */
export const expectation: Shape<Expectation> = named("Expectation", () =>
  object<Expectation>("expect", {
    response: field(response, "What the client gets."),
    upstream: field(
      oneOf<NonNullable<Expectation["upstream"]>>('what the upstream sees, or "never"', {
        text: word<"never">(["never"]),
        map: request,
      }),
      "What the upstream gets; never: the request does not get through.",
    ),
    paused: field(listOfShape("places", word(PLACES)), "Where the stream stood still, in order; and it went on."),
    log: field(log, "Lines of the log, in order."),
    metrics: field(mapOf("metrics", metric), "Values of metrics by name, at the end."),
    shared: field(mapOf("shared data", matcher), "Shared data by key, at the end."),
    queues: field(mapOf("queues", listOfShape("messages", matcher)), "What is left in shared queues, by name."),
    properties: field(mapOf("properties", matcher), "Properties of the stream, at its end."),
    filterState: field(mapOf("filter state", matcher), "Filter state of the stream by its full key, at its end."),
    configure: field(word(["accepted", "rejected"]), "Whether the filter takes its configuration."),
    load: field(
      oneOf<Load>("accepted, refused or a map", {
        text: word<"accepted" | "refused">(["accepted", "refused"]),
        map: object<{ refused: Matcher }>(
          "load",
          { refused: field(matcher, "Why, in Envoy's words.") },
          { keys: "one" },
        ),
      }),
      "Whether the host takes the module.",
    ),
    trap: field(matcher, "true, or what the trap says: the filter traps."),
    warnings: field(listOfShape("codes", string("a code")), "Codes of the host's reports that must be there."),
    module: field(moduleShape, "What the module is made of."),
  }),
);

/** What one event driven by hand must bring about. */
export const phaseExpectation: Shape<PhaseExpectation> = named("PhaseExpectation", () =>
  object<PhaseExpectation>("expect", {
    action: field(word(["continue", "pause"]), "Whether it goes on to the next one."),
    headers: field(headers, "Headers as they go on."),
    body: field(matcher, "Bytes as they go on."),
    trailers: field(headers, "Trailers as they go on."),
    response: field(response, "A response of the filter's own."),
    log: field(log, "Lines of the log, in order."),
  }),
);
