import { expect, it } from "vitest";
import { inCi } from "../components/missing.ts";
import { auditLane, soakRun, startLane, tidyLane } from "../support/fault-soak.ts";
import { tempDir } from "../support/temp-dir.ts";

/**
 * `WASME_SOAK_SEED=N` repeats a soak, `WASME_SOAK_RUNS=N` makes it longer or shorter. CI runs the same faults every
 * time, so that a change is judged and not the dice; everywhere else the search goes on.
 */
const CI_SEED = inCi() ? 20_261_121 : undefined;
const SEED = Number(process.env["WASME_SOAK_SEED"] ?? CI_SEED ?? Date.now() % 1_000_000_000);
const RUNS = Number(process.env["WASME_SOAK_RUNS"] ?? 1000);
const LANES = 8;
/** All content on all disks is checked after so many runs of a lane. */
const AUDIT = 13;

it(
  `ends ${RUNS} pushes and pulls with random faults in the right bytes or a clear error`,
  { timeout: 600_000 },
  async () => {
    process.stdout.write(`WASME_SOAK_SEED=${SEED}\n`);
    const ends = new Map<string, number>();
    const broken: string[] = [];
    const work = async (lane: number): Promise<void> => {
      const setting = await startLane(tempDir());
      try {
        for (let run = lane; run < RUNS && broken.length < 5; run += LANES) {
          const result = await soakRun(setting, SEED + run);
          ends.set(result.end, (ends.get(result.end) ?? 0) + 1);
          const last = run + LANES >= RUNS;
          const audited = last || Math.floor(run / LANES) % AUDIT === AUDIT - 1 ? auditLane(setting) : [];
          const wrong = [...result.broken, ...audited];
          if (wrong.length > 0) broken.push(`${wrong.join("\n")}\n${result.story}`);
          if (audited.length === 0 && Math.floor(run / LANES) % (4 * AUDIT) === 0) await tidyLane(setting);
        }
      } finally {
        await setting.close();
      }
    };
    await Promise.all(Array.from({ length: LANES }, (_each, lane) => work(lane)));
    const tally = [...ends].toSorted(([, a], [, b]) => b - a).map(([end, count]) => `${count} ${end}`);
    process.stdout.write(`${tally.join(", ")}\n`);
    expect(broken.join("\n\n")).toBe("");
    expect([...ends.values()].reduce((sum, count) => sum + count, 0)).toBe(RUNS);
    // A soak in which nothing arrives, or nothing fails, shows nothing.
    expect(tally.join()).toMatch(/push ok/u);
    expect(tally.join()).toMatch(/pull ok/u);
    expect(ends.size).toBeGreaterThan(RUNS >= 1000 ? 10 : 2);
  },
);
