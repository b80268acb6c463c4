import { proxy_log } from "./host";

/** Room for one message on its way out: the heap may be what is broken, so nothing is allocated here. */
const LINE: usize = memory.data(512);
const LINE_SIZE: usize = 512;

/**
 * What runs when the filter traps on purpose (`throw`, `assert`, a bad index): one critical log line with the place,
 * then a trap, so that the proxy's failure policy decides. Named by `use` in `asconfig.json`; without it the module
 * would import `env.abort`, which no proxy has.
 */
export function abortFilter(message: string | null, file: string | null, line: u32, column: u32): void {
  let end = LINE;
  end = append(end, "abort: ");
  end = append(end, message ? message : "no message");
  end = append(end, " at ");
  end = append(end, file ? file : "unknown file");
  end = appendNumber(append(end, ":"), line);
  end = appendNumber(append(end, ":"), column);
  proxy_log(5, LINE, end - LINE);
  unreachable();
}

/** Appends text, printable ASCII only, until the line is full. */
function append(end: usize, text: string): usize {
  for (let i = 0; i < text.length && end < LINE + LINE_SIZE; i++) {
    const unit = text.charCodeAt(i);
    store<u8>(end++, unit >= 32 && unit < 127 ? unit : 63);
  }
  return end;
}

function appendNumber(end: usize, value: u32): usize {
  let divisor: u32 = 1;
  while (value / divisor >= 10) divisor *= 10;
  for (; divisor > 0 && end < LINE + LINE_SIZE; divisor /= 10) {
    store<u8>(end++, 48 + ((value / divisor) % 10));
  }
  return end;
}
