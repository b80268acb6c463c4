import { proxy_get_shared_data, proxy_set_shared_data } from "./host";
import { OUT, clearOut, decodeText, nameOut, outExtra, outSize, takeBytes, valueOut } from "./memory";
import { ok } from "./status";

/** A value from the store that all threads of a proxy share, with the number that says which write it came from. */
// @ts-ignore: decorator
@final
export class SharedData {
  constructor(
    readonly bytes: ArrayBuffer,
    /** Give it to `setSharedData` to write only if nobody else wrote in between. */
    readonly cas: u32,
  ) {}

  /** The value as text. */
  get text(): string {
    return decodeText(this.bytes);
  }
}

/** Reads a key, shared by all filters with the same VM id; `null` if nobody wrote it yet. */
export function getSharedData(key: string): SharedData | null {
  nameOut.setText(key);
  clearOut();
  store<u32>(outExtra(), 0);
  if (!ok(proxy_get_shared_data(nameOut.address, nameOut.size, OUT, outSize(), outExtra()))) return null;
  const cas = load<u32>(outExtra());
  return new SharedData(takeBytes(), cas);
}

/**
 * Writes a key: a `string` or an `ArrayBuffer`. With `cas` from an earlier read the write happens only if the key was
 * not written since; `false` then means "read again and retry". Without it the write always happens.
 */
export function setSharedData<T>(key: string, value: T, cas: u32 = 0): bool {
  nameOut.setText(key);
  valueOut.set<T>(value);
  return ok(proxy_set_shared_data(nameOut.address, nameOut.size, valueOut.address, valueOut.size, cas));
}
