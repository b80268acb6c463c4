/** To the worker; with an `id` an answer is awaited. */
export interface WorkerRequest {
  readonly id: number | undefined;
  readonly message: unknown;
}

/** From the worker. */
export type WorkerReply =
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly error: Error }
  | { readonly kind: "posted"; readonly message: unknown };

/** What a worker is born with. */
export interface WorkerBirth {
  readonly data: unknown;
  readonly heartbeat: Int32Array;
  /** Path of the file to load first. */
  readonly entry: string;
  /** Path of the file that loads it. */
  readonly loader: string;
}
