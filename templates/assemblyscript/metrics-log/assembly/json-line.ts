import { decodeText } from "./proxy-wasm";

/** Longer texts are cut after so many bytes of UTF-8. */
const MOST_BYTES: i32 = 512;

/** One line of compact JSON: an object. */
export class JsonLine {
  private line: string = "";

  /** @param json A value that is JSON already. */
  add(name: string, json: string): void {
    this.line += (this.line.length > 0 ? "," : "{") + quote(name) + ":" + json;
  }

  /** @param bytes Text; bytes that are none become other characters, never a broken line. `null` is written as null. */
  addText(name: string, bytes: ArrayBuffer | null): void {
    this.add(name, bytes ? quoteBytes(bytes) : "null");
  }

  toString(): string {
    return this.line + "}";
  }
}

function quoteBytes(bytes: ArrayBuffer): string {
  if (bytes.byteLength <= MOST_BYTES) return quote(decodeText(bytes));
  let end = MOST_BYTES;
  // Bytes 10xxxxxx are within a character.
  while (end > 0 && (load<u8>(changetype<usize>(bytes) + end) & 0xc0) == 0x80) end--;
  return quote(decodeText(bytes.slice(0, end)) + "...");
}

/** Text as JSON. */
function quote(text: string): string {
  let quoted = '"';
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit <= 0xdfff) {
      if (isPair(text, i)) {
        i++;
        continue;
      }
    } else if (unit >= 32 && unit != 34 && unit != 92) {
      continue;
    }
    quoted += text.slice(start, i) + escape(unit);
    start = i + 1;
  }
  return quoted + text.slice(start) + '"';
}

/** Two units that are one character. */
function isPair(text: string, at: i32): bool {
  return (text.charCodeAt(at) & 0xfc00) == 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) == 0xdc00;
}

function escape(unit: i32): string {
  if (unit == 34) return '\\"';
  if (unit == 92) return "\\\\";
  if (unit == 10) return "\\n";
  if (unit == 13) return "\\r";
  if (unit == 9) return "\\t";
  if (unit >= 0xd800) return "\uFFFD";
  return "\\u00" + (unit < 16 ? "0" : "") + unit.toString(16);
}
