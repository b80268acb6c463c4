import type { HostModule } from "../../host/host-module.ts";
import { loadModule } from "../../host/load-module.ts";
import type { PluginConfig } from "../../host/plugin-config.ts";
import { prepareShape } from "./bench-stream.ts";
import { FIGURES, Lane } from "./lane.ts";
import { type Spread, spreadOf } from "./statistics.ts";
import type { StreamShape } from "./stream-shape.ts";

/** What a filter costs before its code is warm. */
export interface ColdFigures {
  /** Milliseconds to check and compile the module. */
  readonly compileMs: Spread;
  /** Milliseconds to instantiate it, run its start code and configure it. */
  readonly startMs: Spread;
  /** Microseconds of the very first stream: V8 compiles each function when it is called for the first time. */
  readonly firstStream: Spread;
  /** Microseconds a stream of the first hundred. */
  readonly firstHundred: Spread;
}

/** What is needed to start a filter from nothing, again and again. */
export interface ColdRequest {
  readonly bytes: Uint8Array;
  readonly config: PluginConfig;
  readonly shape: StreamShape;
  readonly now: () => number;
  readonly heartbeat?: Int32Array | undefined;
}

/** Loads, starts and uses the filter a few times, each time as if for the first time. Throws as `loadModule` and `Lane` do. */
export function measureCold(request: ColdRequest): ColdFigures {
  const samples = Array.from({ length: SAMPLES }, (_, index) => sample(request, index));
  const spread = (pick: (one: Sample) => number): Spread => spreadOf(samples.map(pick));
  return {
    compileMs: spread((one) => one.compileMs),
    startMs: spread((one) => one.startMs),
    firstStream: spread((one) => one.firstStream),
    firstHundred: spread((one) => one.firstHundred),
  };
}

interface Sample {
  readonly compileMs: number;
  readonly startMs: number;
  readonly firstStream: number;
  readonly firstHundred: number;
}

function sample({ bytes, config, shape, now, heartbeat }: ColdRequest, index: number): Sample {
  const fresh = unlikeAnyOther(bytes, index);
  const began = now();
  const module: HostModule = loadModule(fresh);
  const compiled = now();
  const lane = new Lane({ module, config }, { prepared: prepareShape(shape), now, heartbeat });
  const started = now();
  lane.batch(1, new Float64Array(FIGURES));
  const second = now();
  for (let count = 1; count < HUNDRED; count += 1) lane.batch(1, new Float64Array(FIGURES));
  const hundredth = now();
  lane.stop();
  return {
    compileMs: compiled - began,
    startMs: started - compiled,
    firstStream: (second - started) * 1000,
    firstHundred: ((hundredth - started) * 1000) / HUNDRED,
  };
}

/** V8 remembers what it compiled by its bytes: a custom section makes each copy another module. */
function unlikeAnyOther(bytes: Uint8Array, index: number): Uint8Array {
  const stamp = `${index} ${bytes.length}`;
  const name = "wasme-bench";
  const content = [name.length, ...codes(name), ...codes(stamp)];
  const copy = new Uint8Array(bytes.length + content.length + 2);
  copy.set(bytes);
  copy.set([0, content.length, ...content], bytes.length);
  return copy;
}

function codes(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}

const SAMPLES = 5;
const HUNDRED = 100;
