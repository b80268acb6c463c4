/** One record of a proxy's log: level and text; the text may have line breaks. */
export interface LogRecord {
  readonly level: string;
  /** As Envoy writes it: `wasm log NAME ROOT VM: text`. */
  readonly text: string;
}

/** Records of Envoy's log in the format `%l %n %v`, only what filters wrote. */
export function parseEnvoyLog(log: string): LogRecord[] {
  const records: { level: string; text: string; wasm: boolean }[] = [];
  for (const line of log.split("\n")) {
    const match = /^(trace|debug|info|warning|error|critical|off) (\w+) (.*)$/.exec(line);
    if (match !== null) records.push({ level: match[1] ?? "", text: match[3] ?? "", wasm: match[2] === "wasm" });
    else {
      const last = records.at(-1);
      if (last !== undefined) last.text += `\n${line}`;
    }
  }
  const end = records.at(-1);
  if (end !== undefined) end.text = end.text.replace(/\n$/, ""); // the end of the file
  return records.filter(({ wasm, text }) => wasm && text.startsWith("wasm log"));
}

/**
 * The records of one scenario's filters, VM by VM in the order they began, without the VMs that never had a stream: Envoy
 * starts one to check a module and one for its main thread besides the worker's. A filter marks its lines by VM
 * (`~1234abcd `); what a module writes without a mark belongs to the marked line after it. Of filters that do not mark
 * their lines only those of streams are taken.
 */
export function scenarioLog(records: readonly LogRecord[], vmId: string, marked: boolean): string[] {
  return marked ? markedLog(records, vmId) : streamLog(records, vmId);
}

/** What streams logged: only they have the filter's name before the root id. */
function streamLog(records: readonly LogRecord[], vmId: string): string[] {
  return records.flatMap(({ level, text }) => {
    const match = /^wasm log (script\S* \S+) ([\w.-]*): (.*)$/s.exec(text);
    return match === null || match[2]?.split(".")[0] !== vmId ? [] : [`${level} [${match[1]}] ${match[3]}`];
  });
}

function markedLog(records: readonly LogRecord[], vmId: string): string[] {
  const byVm = new Map<string, string[]>();
  let unmarked: string[] = [];
  for (const { level, text } of records) {
    const match = /^wasm log ?((?:.*? )?)([\w.-]*): (.*)$/s.exec(text);
    if (match === null || match[2]?.split(".")[0] !== vmId) continue;
    const [, prefix = "", , body = ""] = match;
    const mark = /^~([\da-f]{8}) /.exec(body)?.[1];
    const line = `${level} [${prefix.trim()}] ${mark === undefined ? body : body.slice(10)}`;
    if (mark === undefined) {
      unmarked.push(line);
      continue;
    }
    const lines = byVm.get(mark) ?? [];
    lines.push(...unmarked, line);
    unmarked = [];
    byVm.set(mark, lines);
  }
  const served = [...byVm.values()].filter((lines) => lines.some((line) => /\] new #\d+ [1-9]/.test(line)));
  return [...served.flatMap((lines, index) => [`vm ${index + 1}`, ...lines]), ...unmarked];
}
