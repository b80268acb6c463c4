import { ConfigurationObject, HeaderMap, encodeText, getTextProperty } from "./proxy-wasm";
import { JsonLine } from "./json-line";

const FIELDS: string[] = [
  "method",
  "host",
  "path",
  "query",
  "status",
  "duration_ms",
  "request_id",
  "user_agent",
  "source_ip",
];

/** Which fields a line of the access log has, and how it is written. */
export class AccessLog {
  private fields: string[] = [];
  private headers: string[] = [];

  constructor(configuration: ConfigurationObject) {
    this.fields = configuration.texts("log_fields");
    for (let i = 0; i < this.fields.length; i++) {
      if (FIELDS.includes(this.fields[i])) continue;
      configuration.refuse("log_fields", 'has no "' + this.fields[i] + '", but ' + FIELDS.join(", "));
    }
    this.headers = configuration.texts("log_headers");
    for (let i = 0; i < this.headers.length; i++) {
      if (this.headers[i].length == 0) configuration.refuse("log_headers", "has an empty name");
      this.headers[i] = this.headers[i].toLowerCase();
    }
  }

  /** Whether lines are written at all. */
  get isOn(): bool {
    return this.fields.length + this.headers.length > 0;
  }

  line(request: HeaderMap, status: i64, milliseconds: u64): string {
    const line = new JsonLine();
    for (let i = 0; i < this.fields.length; i++) {
      const field = this.fields[i];
      if (field == "status") line.add(field, status.toString());
      else if (field == "duration_ms") line.add(field, milliseconds.toString());
      else line.addText(field, textField(field, request));
    }
    for (let i = 0; i < this.headers.length; i++) {
      line.addText(this.headers[i], request.getBytes(this.headers[i]));
    }
    return line.toString();
  }
}

function textField(name: string, request: HeaderMap): ArrayBuffer | null {
  if (name == "method") return request.getBytes(":method");
  if (name == "host") return request.getBytes(":authority");
  if (name == "request_id") return request.getBytes("x-request-id");
  if (name == "user_agent") return request.getBytes("user-agent");
  if (name == "source_ip") return sourceIp();
  return partOfPath(request.getBytes(":path"), name == "query");
}

/** `:path` up to the `?`, or what follows it; `null` when there is none. */
function partOfPath(path: ArrayBuffer | null, query: bool): ArrayBuffer | null {
  if (!path) return null;
  let mark = 0;
  while (mark < path.byteLength && load<u8>(changetype<usize>(path) + mark) != 63) mark++;
  if (!query) return path.slice(0, mark);
  return mark < path.byteLength ? path.slice(mark + 1) : null;
}

/** The client's address without port and brackets. */
function sourceIp(): ArrayBuffer | null {
  const address = getTextProperty("source.address");
  if (address === null) return null;
  const colon = address.lastIndexOf(":");
  const ip = colon > address.lastIndexOf("]") ? address.slice(0, colon) : address;
  return encodeText(ip.startsWith("[") ? ip.slice(1, -1) : ip);
}
