const encoder = new TextEncoder();

/** Text as a string of bytes: one character of the result is one byte of its UTF-8. */
export function utf8Bytes(text: string): string {
  if (/^[\0-\x7f]*$/u.test(text)) return text;
  return latin1(encoder.encode(text));
}

/** A string of bytes as text; `undefined` where it is no UTF-8. */
export function utf8Text(bytes: string): string | undefined {
  if (/^[\0-\x7f]*$/u.test(bytes)) return bytes;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytesOf(bytes));
  } catch {
    return undefined;
  }
}

/** The bytes of a string of bytes. */
export function bytesOf(bytes: string): Uint8Array {
  return Uint8Array.from(bytes, (character) => character.charCodeAt(0));
}

/** The string of bytes of some bytes. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += BLOCK) text += String.fromCharCode(...bytes.subarray(at, at + BLOCK));
  return text;
}

/** As many as a call takes arguments for certain. */
const BLOCK = 8192;

/** What a backslash began, or why it is none: `length` characters of the text, as a string of bytes. */
export type Escape = { readonly bytes: string; readonly length: number } | { readonly problem: string };

/** Reads the escape at the start of `text`, which is a backslash and what follows. */
export function readEscape(text: string): Escape {
  const letter = text.charAt(1);
  const simple = SIMPLE[letter];
  if (simple !== undefined) return { bytes: simple, length: 2 };
  const octal = /^\\([0-7]{1,3})/u.exec(text)?.[1];
  if (octal !== undefined) return byte(Number.parseInt(octal, 8), octal.length + 1);
  const hex = /^\\[xX]([0-9a-fA-F]{1,2})/u.exec(text)?.[1];
  if (hex !== undefined) return byte(Number.parseInt(hex, 16), hex.length + 2);
  if (letter === "u" || letter === "U") return unicode(text);
  return { problem: letter === "" ? "the text ends in a string" : `there is no escape "\\${letter}"` };
}

function byte(value: number, length: number): Escape {
  return value > 255 ? { problem: "an octal escape is at most \\377" } : { bytes: String.fromCharCode(value), length };
}

/** `\u` with four hex digits, two of them for a surrogate pair, or `\U` with eight. */
function unicode(text: string): Escape {
  const pair = /^\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})/u.exec(text);
  if (pair !== null) {
    const units = [pair[1], pair[2]].map((digits) => Number.parseInt(digits ?? "", 16));
    return { bytes: utf8Bytes(String.fromCharCode(...units)), length: 12 };
  }
  const digits = /^\\u([0-9a-fA-F]{4})|^\\U([0-9a-fA-F]{8})/u.exec(text);
  const code = digits?.[1] ?? digits?.[2];
  if (code === undefined) return { problem: "\\u takes four hex digits and \\U eight" };
  const point = Number.parseInt(code, 16);
  if (point > 0x10_ff_ff) return { problem: "there is no Unicode character beyond 10FFFF" };
  if (point >= 0xd800 && point <= 0xdfff) return { problem: "half of a surrogate pair is no character" };
  return { bytes: utf8Bytes(String.fromCodePoint(point)), length: code.length + 2 };
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "?": "?",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** A string literal for a string of bytes; what is no ASCII becomes an octal escape. */
export function quoteBytes(bytes: string): string {
  return `"${bytes.replace(/[^ !#-[\]-~]/gu, (character) => escapeOf(character))}"`;
}

/** A string literal for text; what is no ASCII stays as it is, but for control characters. */
export function quoteText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must be escaped
  return `"${text.replace(/[\0-\x1f"\\\x7f]/gu, (character) => escapeOf(character))}"`;
}

function escapeOf(character: string): string {
  const named = NAMED[character];
  return named ?? `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
}

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\" };
