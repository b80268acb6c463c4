import { calloutExpectation, expectation } from "./expect-shapes.ts";
import type { Answer, Callout, CalloutAnswer, Exchange, GrpcAnswer, Request } from "./model.ts";
import { duration, flag, number, string, text, word } from "./scalar-shapes.ts";
import { type Fields, listOfShape, named, object, type Shape } from "./shape.ts";
import { body, content, field, headerValues } from "./value-shapes.ts";

const status = number({ least: 0, most: 999, whole: true });

const request: Shape<Request> = named("Request", () =>
  object<Request>("a request", {
    method: field(text, "Default GET, with a body POST."),
    path: field(text, "Default /."),
    authority: field(text, "Default example.com."),
    scheme: field(text, "Default http."),
    protocol: field(word(["http1", "http2"]), "Decides how a body ends; default http1, with trailers http2."),
    headers: field(headerValues, "More headers; null takes a default one away."),
    body: field(body, "Text, content, or pieces in turn."),
    trailers: field(headerValues, "Trailers after the body."),
    abort: field(duration, "The client goes away after this time."),
    worker: field(number({ least: 0, most: 63, whole: true }), "Number of the proxy's worker thread, from 0."),
  }),
);

const answer: Shape<Answer> = named("Answer", () =>
  object<Answer>("an answer", {
    status: field(status, "Default 200."),
    headers: field(headerValues, "More headers; null takes a default one away."),
    body: field(body, "Text, content, or pieces in turn."),
    trailers: field(headerValues, "Trailers after the body."),
    after: field(duration, "Virtual time from the end of the request."),
    fail: field(word(["reset", "timeout", "refused", "overflow"]), "No answer: what happens instead."),
    early: field(flag, "Answers before the request's body has come."),
  }),
);

const calloutAnswer: Shape<CalloutAnswer> = named("CalloutAnswer", () =>
  object<CalloutAnswer>("an answer", {
    status: field(status, "Default 200."),
    headers: field(headerValues, "Headers beside :status."),
    body: field(content, "The body."),
    trailers: field(headerValues, "Trailers."),
    after: field(duration, "Virtual time from the call."),
    fail: field(
      word(["reset", "timeout", "unknown-cluster", "no-endpoint"]),
      "No answer; unknown-cluster and no-endpoint: the call itself is refused.",
    ),
  }),
);

const grpc: Shape<GrpcAnswer> = named("GrpcAnswer", () =>
  object<GrpcAnswer>("a gRPC answer", {
    after: field(duration, "Virtual time from the call."),
    initialMetadata: field(headerValues, "Initial metadata (streams only)."),
    messages: field(listOfShape("messages", content), "Messages, in order."),
    trailingMetadata: field(headerValues, "Trailing metadata (streams only)."),
    status: field(number({ least: 0, most: 16, whole: true }), "gRPC status; a stream without one stays open."),
    message: field(string("text"), "gRPC message."),
    fail: field(word(["unknown-cluster", "no-endpoint"]), "The call itself is refused."),
  }),
);

/** One callout and its answer. */
export const callout: Shape<Callout> = named("Callout", () =>
  object<Callout>(
    "a callout",
    {
      to: field(string("the name of a cluster"), "Name of the cluster."),
      times: field(number({ least: 1, whole: true }), "So many in a row; default 1."),
      expect: field(calloutExpectation, "What it must hold."),
      answer: field(calloutAnswer, "What comes back; default 200 at once."),
      grpc: field(grpc, "What comes back, when it is a gRPC call or stream."),
    },
    { required: ["to"], atMostOne: [["answer", "grpc"]] },
  ),
);

/** The keys every exchange has. */
export const exchangeFields: Fields<Exchange> = {
  request: field(request, "What the client sends."),
  upstream: field(answer, "What the upstream answers."),
  callouts: field(listOfShape("callouts", callout), "Requests the filter must send, in order, and their answers."),
  expect: field(expectation, "What must come of it."),
};
