import { expect } from "vitest";
import { type CliResult, spawnCli } from "../support/run-cli.ts";

/** Where a kill met a run: with nothing changed yet, with some of it done, with all of it done. */
export type Phase = "before" | "during" | "after";

/** Runs of one command that are to be killed. */
export interface KillLoop {
  /** What it is called in what is printed. */
  readonly verb: string;
  readonly kills: number;
  readonly home: string;
  /** The folder whose changes are the steps of the command. */
  readonly folder: string;
  /** Makes run `i` ready and gives its arguments; no `i` comes twice. */
  readonly prepare: (i: number) => Promise<readonly string[]> | readonly string[];
  /** Looks at what run `i` left behind. */
  readonly phaseOf: (i: number) => Phase;
  /** Called after every run, killed or not, with what it said. */
  readonly judge: (i: number, result: CliResult) => Promise<void> | void;
  /** The number of the first run; a loop that is tried again must not meet what its first try left behind. */
  readonly from: number;
}

/**
 * Kills runs of a command: every other one when a certain step is done (`kill-step.mjs`), which meets each phase on
 * every machine, and the rest by the clock of this process, which meets whatever is between the steps. Gives how
 * many kills met which phase, and the number after the last run. Fails when the kills need three times as many runs.
 */
export async function killLoop(
  loop: KillLoop,
): Promise<{ readonly phases: Readonly<Record<Phase, number>>; readonly end: number }> {
  const { verb, kills, from } = loop;
  const phases: Record<Phase, number> = { before: 0, during: 0, after: 0 };
  const { life, steps: first } = await runWhole(loop);
  const aim = clockAim(life);
  let [i, steps] = [from, first];
  // The first step comes before all writes, and the last one after: no phase is left to luck.
  for (let killed = 0; killed < kills || phases.after === 0;) {
    i += 1;
    expect(i - from, `runs for ${killed} kills of ${verb}`).toBeLessThan(3 * kills + 10);
    const share = Math.min(1, killed / (kills - 2));
    const step = killed % 2 === 0 || share === 1 ? Math.round(share * steps) : undefined;
    const phase = await killOne(loop, { i, at: step === undefined ? aim.next() : { step } });
    if (step !== undefined) steps = corrected(steps, { step, phase });
    if (phase === undefined) continue;
    killed += 1;
    phases[phase] += 1;
  }
  process.stdout.write(
    `kill -9 of ${verb}: ${JSON.stringify(phases)} in ${i - from} runs, ${steps} steps, by the clock last at ${aim.ms().toFixed(0)} ms\n`,
  );
  return { phases, end: i + 1 };
}

/** A run to its end: how long it took, and in how many steps. */
async function runWhole(loop: KillLoop): Promise<{ readonly life: number; readonly steps: number }> {
  const args = await loop.prepare(loop.from);
  const began = performance.now();
  const whole = await start(loop, { args, step: "never" }).result;
  const life = performance.now() - began;
  expect(whole.code, whole.stderr).toBe(0);
  await loop.judge(loop.from, whole);
  const steps = Number(/^steps: (\d+)$/mu.exec(whole.stderr)?.[1]);
  expect(steps, "steps in which files change").toBeGreaterThan(1);
  return { life, steps };
}

/** Runs once and kills at a step or a time. `undefined` when the run ended before. */
async function killOne(
  loop: KillLoop,
  { i, at }: { readonly i: number; readonly at: { readonly step: number } | Shot },
): Promise<Phase | undefined> {
  const args = await loop.prepare(i);
  const byClock = "ms" in at ? at : undefined;
  const { child, result } = start(loop, { args, step: "step" in at ? at.step : undefined });
  const timer = byClock === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), byClock.ms);
  const ended = await result;
  clearTimeout(timer);
  const phase = ended.signal === "SIGKILL" ? loop.phaseOf(i) : undefined;
  if (phase === undefined) expect(ended.code, ended.stderr).toBe(0);
  await loop.judge(i, ended);
  byClock?.tell(phase ?? "after");
  return phase;
}

/** A lock that an earlier kill left behind takes some steps to remove, so that their number changes. */
function corrected(steps: number, { step, phase }: { step: number; phase: Phase | undefined }): number {
  if (phase === undefined) return step - 1;
  return step === steps && phase !== "after" ? steps + 1 : steps;
}

const PRELOAD = new URL("../support/kill-step.mjs", import.meta.url);

function start(
  { home, folder }: KillLoop,
  run: { readonly args: readonly string[]; readonly step: number | "never" | undefined },
): ReturnType<typeof spawnCli> {
  if (run.step === undefined) return spawnCli(run.args, { home });
  const env = {
    NODE_OPTIONS: `--import=${PRELOAD.href}`,
    WASME_KILL_FOLDER: folder,
    WASME_KILL_STEP: String(run.step),
  };
  return spawnCli(run.args, { home, env });
}

/** When to kill a run, in ms after its start, and what to say of it afterwards. */
interface Shot {
  readonly ms: number;
  tell(phase: Phase): void;
}

interface ClockAim {
  next(): Shot;
  /** Where the writes are believed to be. */
  ms(): number;
}

/**
 * Aims by turns at any time of a run's life and at its writes. Where those are is learned from every shot at them: one
 * that came before any write moves the next one later, one that came too late moves it earlier, by less each time the
 * direction turns and by more while it stays.
 */
function clockAim(life: number): ClockAim {
  let [writes, stride, last, shots] = [life * 0.85, 0.08, 0, 0];
  return {
    ms: () => writes,
    next: () => {
      shots += 1;
      // Multiples of the golden section lie evenly however many there are.
      if (shots % 2 === 0) return { ms: ((shots * 0.618) % 1) * writes * 1.1, tell: () => undefined };
      return {
        ms: writes,
        tell: (phase) => {
          const way = { before: 1, during: 0, after: -1 }[phase];
          if (way === 0) return;
          stride = Math.min(0.25, Math.max(0.01, stride * (way === last ? 1.4 : 0.5)));
          last = way;
          writes *= 1 + way * stride;
        },
      };
    },
  };
}
