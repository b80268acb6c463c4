/**
 * How text and bytes cross the border between this module and the proxy.
 *
 * Out: the proxy reads bytes at an address during the call (`Outgoing`). In: the proxy asks our `malloc` for memory,
 * writes there and never frees it, so `takeText` and `takeBytes` copy the data and free it.
 */

/** Where host functions leave their results: two words, or one number of 8 bytes, then a third word. */
export const OUT: usize = memory.data(16, 8);

/** Where host functions leave the size of the data whose address is at `OUT`. */
// @ts-ignore: decorator
@inline
export function outSize(): usize {
  return OUT + 4;
}

/** A third result word, for the one host function that needs it. */
// @ts-ignore: decorator
@inline
export function outExtra(): usize {
  return OUT + 8;
}

/** The number a host function left at `OUT`. */
// @ts-ignore: decorator
@inline
export function outNumber(): u32 {
  return load<u32>(OUT);
}

/** Forgets earlier results: a host function may succeed with "nothing" and leave the words as they are. */
// @ts-ignore: decorator
@inline
export function clearOut(): void {
  store<u64>(OUT, 0);
}

/** The text a host function left; its memory is freed. */
export function takeText(): string {
  const address = load<usize>(OUT);
  const size = load<usize>(OUT, 4);
  const text = size > 0 ? String.UTF8.decodeUnsafe(address, size) : "";
  if (address) heap.free(address);
  return text;
}

/** The bytes a host function left; their memory is freed. */
export function takeBytes(): ArrayBuffer {
  const address = load<usize>(OUT);
  const size = <i32>load<usize>(OUT, 4);
  const bytes = new ArrayBuffer(size);
  if (size > 0) memory.copy(changetype<usize>(bytes), address, size);
  if (address) heap.free(address);
  return bytes;
}

/** Text as UTF-8 bytes, for everything that takes bytes. */
export function encodeText(text: string): ArrayBuffer {
  return String.UTF8.encode(text);
}

/** UTF-8 bytes as text. */
export function decodeText(bytes: ArrayBuffer): string {
  return String.UTF8.decode(bytes);
}

/**
 * One argument on its way to the proxy: `size` bytes at `address`, valid until the next `set…` of the same object.
 * Short texts use the fixed room given to the constructor, so that a header costs no allocation.
 */
// @ts-ignore: decorator
@final
export class Outgoing {
  address: usize = 0;
  size: usize = 0;
  /** Keeps what lies on the heap alive until the host call is over. */
  private kept: ArrayBuffer | null = null;

  constructor(
    private room: usize,
    private roomSize: i32,
  ) {}

  setText(text: string): void {
    // One UTF-16 unit never needs more than 3 bytes of UTF-8.
    if (text.length * 3 <= this.roomSize) {
      this.address = this.room;
      this.size = String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, this.room);
    } else {
      this.setBytes(String.UTF8.encode(text));
    }
  }

  setBytes(bytes: ArrayBuffer): void {
    this.kept = bytes;
    this.address = changetype<usize>(bytes);
    this.size = bytes.byteLength;
  }

  /** Text or bytes: `T` is `string` or `ArrayBuffer`, anything else does not compile. */
  set<T>(value: T): void {
    if (isString<T>()) {
      this.setText(changetype<string>(value));
    } else if (idof<T>() == idof<ArrayBuffer>()) {
      this.setBytes(changetype<ArrayBuffer>(value));
    } else {
      ERROR("text or bytes expected: a string or an ArrayBuffer");
    }
  }
}

const ROOM_SIZE: i32 = 1024;

/** The first argument of a host call: a name, a key, a path. */
export const nameOut: Outgoing = new Outgoing(memory.data(1024), ROOM_SIZE);

/** The second argument of a host call: a value, a body. */
export const valueOut: Outgoing = new Outgoing(memory.data(1024), ROOM_SIZE);

/** The third argument of the few host calls that have one. */
export const detailOut: Outgoing = new Outgoing(memory.data(1024), ROOM_SIZE);
