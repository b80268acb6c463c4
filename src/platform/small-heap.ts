import { setFlagsFromString } from "node:v8";

/**
 * Has the engine collect what is left of work when the heap has grown by a third, for programs that run for ever: by
 * itself it lets a heap grow to up to four times what lives, and a list of all objects of a cluster leaves much. It is no
 * limit: what lives may be as large as it is. Counts for the whole process (decision 10).
 */
export function keepHeapSmall(): void {
  // Unlike most flags of the engine it is read after each collection, so it may be set in a program that runs.
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}

const GROWING_PERCENT = 30;
