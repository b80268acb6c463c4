import { styleText } from "node:util";
import { type Env, envValue } from "./env.ts";

/** The three standard streams as the program needs them; `process` has this shape, tests bring their own. */
export interface StandardStreams {
  readonly stdin: NodeJS.ReadStream | NodeJS.ReadableStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

/** A stream text is written to. */
export interface OutputStream {
  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** The colours and weights output may use; each returns the text unchanged when colour is off. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

/** One output stream with its abilities settled. */
export interface Channel {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Characters a line may have; 80 when unknown, unlimited when not a terminal. */
  readonly width: number;
  readonly style: Style;
}

/** The only door to the standard streams. */
export interface Terminal {
  /** Results: once, at the end. */
  readonly stdout: Channel;
  /** Progress, warnings, errors. */
  readonly stderr: Channel;
  readonly stdin: StandardStreams["stdin"];
  /** A result that is no text, piece by piece to stdout: waits until the other side has taken each. */
  readonly writeBytes: (bytes: Uint8Array) => Promise<void>;
  /** What prompts read from and draw on. */
  readonly prompt: { readonly input: StandardStreams["stdin"]; readonly output: OutputStream };
  /** True when a person can be asked: stdin and stderr are terminals. */
  readonly canPrompt: boolean;
}

/** Settles what the streams can do; `color` is the flag and wins over the environment. */
export function createTerminal(streams: StandardStreams, env: Env, color?: boolean): Terminal {
  const stdinIsTerminal = "isTTY" in streams.stdin && streams.stdin.isTTY;
  const channel = (stream: OutputStream): Channel => {
    const isTerminal = stream.isTTY === true;
    return {
      write: (text) => void stream.write(text),
      isTerminal,
      get width() {
        return isTerminal ? stream.columns || UNKNOWN_WIDTH : Number.POSITIVE_INFINITY;
      },
      style: createStyle(wantsColor(isTerminal, env, color)),
    };
  };
  const stderr = channel(streams.stderr);
  return {
    stdout: channel(streams.stdout),
    stderr,
    stdin: streams.stdin,
    writeBytes: (bytes) =>
      new Promise((resolve, reject) => {
        streams.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    prompt: { input: streams.stdin, output: streams.stderr },
    canPrompt: stdinIsTerminal && stderr.isTerminal,
  };
}

/** Terminals that nobody told their size (`docker exec -t`, `script`) report 0 columns. */
const UNKNOWN_WIDTH = 80;

/** Flag, then `FORCE_COLOR`, then a non-empty `NO_COLOR`, then `TERM=dumb`, then whether it is a terminal. */
export function wantsColor(isTerminal: boolean, env: Env, flag?: boolean): boolean {
  if (flag !== undefined) return flag;
  const force = envValue(env, "FORCE_COLOR");
  if (force !== undefined) return force !== "0" && force !== "false";
  if (envValue(env, "NO_COLOR") !== undefined) return false;
  return isTerminal && env["TERM"] !== "dumb";
}

/** The style functions, on or off. */
export function createStyle(enabled: boolean): Style {
  const paint =
    (format: "bold" | "dim" | "red" | "green" | "yellow" | "cyan") =>
    (text: string): string =>
      enabled ? styleText(format, text, { validateStream: false }) : text;
  return {
    bold: paint("bold"),
    dim: paint("dim"),
    red: paint("red"),
    green: paint("green"),
    yellow: paint("yellow"),
    cyan: paint("cyan"),
  };
}
