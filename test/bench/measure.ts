import { spawn } from "node:child_process";

/** A command to measure; `prepare` runs before each round, outside the measurement. */
export interface Candidate {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly prepare?: () => Promise<void> | void;
}

/** What a candidate took, over all rounds. */
export interface Measured {
  readonly name: string;
  /** Wall-clock milliseconds of the whole process, one per round. */
  readonly ms: readonly number[];
  /** Milliseconds of processor time, all threads together, one per round. */
  readonly cpuMs: readonly number[];
  /** Peak resident memory of the largest round, MB; 0 where the kernel was not asked. */
  readonly peakMb: number;
}

/**
 * Runs the candidates in turn, round by round (A B C, B C A, C A B, …), so that a machine that slows down slows all of
 * them, and nobody always finds the disk as busy as the same other left it; one warm-up round is not counted. A candidate
 * that fails ends the measurement.
 */
export async function measure(candidates: readonly Candidate[], rounds: number): Promise<Measured[]> {
  const results = candidates.map(({ name }) => ({ name, ms: [] as number[], cpuMs: [] as number[], peakMb: 0 }));
  for (let round = -1; round < rounds; round += 1) {
    for (let turn = 0; turn < candidates.length; turn += 1) {
      const i = (turn + Math.max(round, 0)) % candidates.length;
      const [candidate, result] = [candidates[i], results[i]];
      if (candidate === undefined || result === undefined) continue;
      await candidate.prepare?.();
      const { ms, cpuMs, peakMb } = await once(candidate);
      if (round < 0) continue;
      result.ms.push(ms);
      result.cpuMs.push(cpuMs);
      result.peakMb = Math.max(result.peakMb, peakMb);
    }
  }
  return results;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Median of the ratios round by round: steadier than a ratio of medians when the machine drifts. */
function pairedRatio(a: readonly number[], b: readonly number[]): number {
  return median(a.map((ms, i) => ms / (b[i] ?? ms)));
}

/** The one with the lowest median. */
export function fastest(results: readonly Measured[]): Measured | undefined {
  return results.toSorted((a, b) => median(a.ms) - median(b.ms))[0];
}

/**
 * Prints a table: median and range in ms and its ratio to `base` (the first row), the same of processor time without the
 * range, peak memory. The ratio of processor times is the one to hold against a goal: other processes do not change it.
 */
export function report(title: string, results: readonly Measured[], base: Measured | undefined = results[0]): void {
  const lines = results.map((result) => {
    const ratio = base === undefined ? 1 : pairedRatio(result.ms, base.ms);
    const cpuRatio = base === undefined ? 1 : pairedRatio(result.cpuMs, base.cpuMs);
    const cpu = `cpu ${median(result.cpuMs).toFixed(1)} ms x${cpuRatio.toFixed(2)}`;
    const range = `${Math.min(...result.ms).toFixed(0)}-${Math.max(...result.ms).toFixed(0)}`;
    const memory = result.peakMb === 0 ? "" : `${result.peakMb.toFixed(0)} MB`.padStart(8);
    return `  ${result.name.padEnd(34)} ${median(result.ms).toFixed(1).padStart(8)} ms ${range.padStart(11)}  x${ratio.toFixed(2)}  ${cpu.padEnd(20)} ${memory}`;
  });
  process.stdout.write(
    `\n${title} (${base?.ms.length ?? 0} rounds, in turn; ratio to ${base?.name ?? "nothing"})\n${lines.join("\n")}\n`,
  );
}

/**
 * `NODE_EXTRA_CA_CERTS` is left out: Node 20 reads that file whole at every start, 40 ms for a list of all authorities,
 * whatever it runs.
 *
 * GNU time tells the peak memory of a finished child on stderr, and the shell's `time` its processor time to the
 * millisecond on the last line; GNU time itself counts hundredths.
 */
const TIMED = `TIMEFORMAT="cpu-s %3U %3S"; time /usr/bin/time -f "peak-kb %M" "$@"`;

async function once({
  name,
  command,
  args,
  cwd,
  env,
}: Candidate): Promise<{ ms: number; cpuMs: number; peakMb: number }> {
  const started = performance.now();
  const child = spawn("bash", ["-c", TIMED, "bash", command, ...args], {
    cwd,
    env: { ...process.env, LC_ALL: "C", NODE_EXTRA_CA_CERTS: undefined, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  const ms = performance.now() - started;
  if (code !== 0) throw new Error(`${name} failed with ${String(code)}:\n${stderr.slice(-2000)}`);
  const [, peak = 0, user = 0, system = 0] = /peak-kb (\d+)\s+cpu-s ([\d.]+) ([\d.]+)\s*$/u.exec(stderr) ?? [];
  return { ms, cpuMs: (Number(user) + Number(system)) * 1000, peakMb: Number(peak) / 1024 };
}
