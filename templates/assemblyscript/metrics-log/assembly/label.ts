import { ConfigurationObject, Counter, decodeText } from "./proxy-wasm";

/** How a request ended: its status class, or `none` without an answer. */
export const CLASSES: string[] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/** The counters `<prefix>.requests.2xx` and so on. Each one is made in the proxy when it is first counted. */
export class StatusCounters {
  private counters: Counter[] = [];

  constructor(prefix: string) {
    for (let i = 0; i < CLASSES.length; i++) this.counters.push(new Counter(prefix + ".requests." + CLASSES[i]));
  }

  count(status: i64): void {
    const statusClass = status / 100;
    this.counters[statusClass < CLASSES.length ? <i32>statusClass : 0].increment();
  }
}

/** Counts requests by the value of a header. */
export class Label {
  header: string = "";
  private values: string[] = [];
  /** Those of the values, then of `other` and of `none`. */
  private counters: StatusCounters[] = [];

  constructor(configuration: ConfigurationObject, statPrefix: string) {
    const name = configuration.text("name");
    if (!isStatName(name)) configuration.refuse("name", "must be of a-z, 0-9 and _, and begin with a letter");
    this.header = configuration.text("header");
    if (this.header.length == 0) configuration.refuse("header", "is empty");
    this.values = configuration.texts("values", 1);
    const prefix = statPrefix + "." + name + ".";
    for (let i = 0; i < this.values.length; i++) {
      if (!isLabelValue(this.values[i])) configuration.refuse("values", "must be of a-z, A-Z, 0-9, _ and -");
      this.counters.push(new StatusCounters(prefix + this.values[i]));
    }
    this.counters.push(new StatusCounters(prefix + "other"));
    this.counters.push(new StatusCounters(prefix + "none"));
  }

  count(value: ArrayBuffer | null, status: i64): void {
    const at = value ? this.values.indexOf(decodeText(value)) : -1;
    const other = this.values.length;
    this.counters[at >= 0 ? at : value ? other : other + 1].count(status);
  }
}

/** The beginning of the metrics' names: parts as in `isStatName`, with dots between them. */
export function isStatPrefix(text: string): bool {
  const parts = text.split(".");
  for (let i = 0; i < parts.length; i++) {
    if (!hasOnly(parts[i], "_", false)) return false;
  }
  return text.length <= 64 && isStatName(parts[0]);
}

function isStatName(text: string): bool {
  return text.length <= 64 && hasOnly(text, "_", false) && text.charCodeAt(0) >= 97;
}

function isLabelValue(text: string): bool {
  return text.length <= 64 && hasOnly(text, "_-", true);
}

/** Whether a text has letters, digits and these others, and nothing else. */
function hasOnly(text: string, others: string, capitals: bool): bool {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const isLetter = (unit >= 97 && unit <= 122) || (capitals && unit >= 65 && unit <= 90);
    if (!isLetter && !(unit >= 48 && unit <= 57) && !others.includes(text.charAt(i))) return false;
  }
  return text.length > 0;
}
