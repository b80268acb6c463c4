import type { Headers } from "./scenario.ts";

/** One half of an exchange as somebody saw it. */
export interface SeenMessage {
  /** `200`, or `GET /path`. */
  readonly start: string;
  readonly headers: Headers;
  readonly body: string;
  readonly trailers: Headers;
  /** `complete`, `reset`, or `hanging`: no end came. */
  readonly end: string;
}

/** A message in lines, under a title like `answer 1`. Headers are sorted: their order on the wire is the codec's. */
export function messageLines(title: string, message: SeenMessage): string[] {
  const lines = [`${title}: ${message.start}`];
  for (const line of headerLines(message.headers)) lines.push(`${title} ${line}`);
  if (message.body !== "") lines.push(`${title} body: ${shown(message.body)}`);
  for (const line of headerLines(message.trailers)) lines.push(`${title} trailer ${line}`);
  lines.push(`${title} end: ${message.end}`);
  return lines;
}

/** Framing that codecs add and take away by themselves. */
const FRAMING: ReadonlySet<string> = new Set(["transfer-encoding", "connection", "keep-alive"]);

function headerLines(headers: Headers): string[] {
  const lowered = headers.map(([name, value]) => [name.toLowerCase(), value] as const);
  return lowered
    .filter(([name]) => !FRAMING.has(name))
    .map(([name, value]) => `${name}: ${shown(valueOf(name, value))}`)
    .toSorted();
}

/** What cannot be equal in two runs. */
function valueOf(name: string, value: string): string {
  if (name === "date") return "(date)";
  if (name === "x-envoy-upstream-service-time") return "(time)";
  if (name === "x-request-id" && /^[\da-f]{8}-[\da-f-]{27}$/.test(value)) return "(id)";
  return value;
}

function shown(text: string): string {
  const start = text.length > 300 ? `${text.slice(0, 60)}...${text.length}` : text;
  return start.replaceAll(/[^ -~]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
