import type { Json } from "../../domain/json.ts";
import type { LogLevel } from "../../host/enums.ts";
import type { Duration, Text } from "./model-values.ts";

/** What must be true at the end. What is not named does not matter. */
export interface Expectation {
  readonly response?: ResponseExpectation;
  /** What the upstream saw; `never`: nothing, the request did not get through. */
  readonly upstream?: "never" | RequestExpectation;
  /** Where the stream stood still for a while: exactly these, in order. */
  readonly paused?: readonly PausePlace[];
  readonly log?: readonly LogExpectation[];
  readonly metrics?: Readonly<Record<string, number | { readonly atLeast?: number; readonly atMost?: number }>>;
  readonly shared?: Readonly<Record<string, Matcher>>;
  readonly queues?: Readonly<Record<string, readonly Matcher[]>>;
  /** Properties of the stream, at its end. */
  readonly properties?: Readonly<Record<string, Matcher>>;
  readonly filterState?: Readonly<Record<string, Matcher>>;
  /** The filter does or does not take its configuration. */
  readonly configure?: "accepted" | "rejected";
  /** The host refuses the module; the message may be matched. */
  readonly load?: "refused" | "accepted" | { readonly refused: Matcher };
  /** The filter traps (`true`), or does not; its text may be matched. */
  readonly trap?: Matcher;
  /** Codes of reports of the host that must be among them. */
  readonly warnings?: readonly string[];
  readonly module?: ModuleExpectation;
}

/** Where a stream can stand still. */
export type PausePlace = "request headers" | "request body" | "request trailers" | ResponsePausePlace;

/** The half of {@link PausePlace} that comes from the upstream. */
export type ResponsePausePlace = "response headers" | "response body" | "response trailers";

/** What the client must get. */
export interface ResponseExpectation {
  readonly status?: Matcher;
  readonly headers?: HeaderExpectations;
  readonly body?: Matcher;
  readonly trailers?: HeaderExpectations;
  /** `response.code_details`. */
  readonly details?: Matcher;
  /** The stream is broken off: no response, or not all of it. */
  readonly reset?: boolean;
}

/** What the upstream must get. */
export interface RequestExpectation {
  readonly method?: Matcher;
  readonly path?: Matcher;
  readonly authority?: Matcher;
  readonly headers?: HeaderExpectations;
  readonly body?: Matcher;
  readonly trailers?: HeaderExpectations;
}

/** What a callout must hold; `message` and the metadata are of gRPC. */
export interface CalloutExpectation extends RequestExpectation {
  readonly timeout?: Duration;
  readonly service?: Matcher;
  readonly message?: Matcher;
  readonly messages?: readonly Matcher[];
  readonly metadata?: HeaderExpectations;
}

/** What one event driven by hand must bring about. */
export interface PhaseExpectation {
  /** `pause`: what was given is held back. */
  readonly action?: "continue" | "pause";
  /** Headers as the next one gets them. */
  readonly headers?: HeaderExpectations;
  readonly body?: Matcher;
  readonly trailers?: HeaderExpectations;
  /** A response of the filter's own. */
  readonly response?: ResponseExpectation;
  readonly log?: readonly LogExpectation[];
}

/** One line that must be in the log (in order), or must not: `absent`. */
export interface LogExpectation {
  readonly level?: LogLevel;
  readonly text?: Text;
  readonly contains?: Text;
  readonly matches?: string;
  readonly absent?: boolean;
  readonly source?: "log" | "stdout" | "stderr" | "host";
  /** How many such lines; default at least one. */
  readonly times?: number;
}

/** What the module is made of. */
export interface ModuleExpectation {
  readonly abi?: Text;
  /** Host functions it must import. */
  readonly imports?: readonly string[];
  /** Host functions it must not import. */
  readonly importsAbsent?: readonly string[];
  readonly callbacks?: readonly string[];
  readonly maxBytes?: number;
}

/** By name; several values of a name are a list, in order. */
export type HeaderExpectations = Readonly<Record<string, Matcher | readonly Matcher[]>>;

/** A plain value is equality, as text. Of the map form every key must hold. */
export type Matcher = Text | MatcherRules;

/** The ways to match, all of those given at once. */
export interface MatcherRules {
  readonly equals?: Text;
  readonly contains?: Text;
  /** A regular expression of JavaScript, with the flag `u`. */
  readonly matches?: string;
  readonly prefix?: Text;
  readonly suffix?: Text;
  readonly absent?: boolean;
  readonly present?: boolean;
  /** The bytes of a file. */
  readonly file?: string;
  /** Equal as JSON values. */
  readonly json?: Json;
  readonly base64?: string;
  readonly not?: Matcher;
}
