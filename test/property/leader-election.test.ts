import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Leadership, runLeaderElection } from "../../src/controller/leader-election.ts";
import type { SteadyClock } from "../../src/platform/clock.ts";
import { silentLog } from "../../src/platform/json-log.ts";
import { LeaseServer, type Weather } from "../support/lease-server.ts";
import { manualClock } from "../support/manual-clock.ts";

/** What the network and the machine do to one process for a while. */
interface Spell {
  readonly there: number;
  readonly back: number;
  readonly lost: "no" | "request" | "answer";
  /** Milliseconds by which its timers ring late: the process is held up. */
  readonly stall: number;
  readonly wall: number;
}

const spell: fc.Arbitrary<Spell> = fc.record({
  there: fc.constantFrom(0, 0, 5, 900, 7000, 14_000),
  back: fc.constantFrom(0, 0, 5, 900, 7000, 14_000),
  lost: fc.constantFrom("no", "no", "no", "request", "answer"),
  stall: fc.constantFrom(0, 0, 0, 3000, 20_000),
  wall: fc.constantFrom(0, 0, -3_600_000, 3_600_000),
});

const CALM: Spell = { there: 0, back: 0, lost: "no", stall: 0, wall: 0 };

describe("leader election in bad weather", () => {
  it("never has two that may write, and one that may once it is calm", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(spell, spell, spell), { minLength: 3, maxLength: 12 }), async (spells) => {
        const clock = manualClock();
        const server = new LeaseServer(clock);
        const now: Spell[] = [CALM, CALM, CALM];
        const leading: (Leadership | undefined)[] = [undefined, undefined, undefined];
        const ends: AbortController[] = [];
        const run = (index: number): void => {
          const at = (): Spell => now[index] ?? CALM;
          const own: SteadyClock = {
            now: () => clock.now() + at().wall,
            elapsed: () => clock.elapsed(),
            sleep: (ms, signal) => clock.sleep(ms + at().stall, signal),
          };
          const weather: Weather = { there: () => at().there, back: () => at().back, lost: () => at().lost };
          const lease = { namespace: "wasme", name: "leader" };
          const stop = new AbortController();
          ends.push(stop);
          const lead = (leadership: Leadership): Promise<void> => {
            leading[index] = leadership;
            return new Promise((resolve) => stop.signal.addEventListener("abort", () => resolve()));
          };
          const identity = `process-${index}-${ends.length}`;
          const options = { port: server.port(weather), clock: own, log: silentLog, lease, identity };
          // Who lost it ends and is started anew, as a pod is.
          runLeaderElection(options, lead, stop.signal).catch(() => run(index));
        };
        for (const index of [0, 1, 2]) run(index);
        const mayWrite = (): number => leading.filter((one) => one?.leads() === true).length;
        for (const weather of spells) {
          weather.forEach((one, index) => (now[index] = one));
          for (let step = 0; step < 24; step += 1) {
            await clock.advance(500);
            expect(mayWrite()).toBeLessThanOrEqual(1);
          }
        }
        for (const index of now.keys()) now[index] = CALM;
        for (let step = 0; step < 140; step += 1) {
          await clock.advance(500);
          expect(mayWrite()).toBeLessThanOrEqual(1);
        }
        expect(mayWrite()).toBe(1);
        for (const stop of ends) stop.abort();
        await clock.advance(60_000);
      }),
      { numRuns: 12 },
    );
  });
});
