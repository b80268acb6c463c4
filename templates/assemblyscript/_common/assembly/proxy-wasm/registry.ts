import { RootContext, prepareRoot } from "./root-context";
import { StreamContext, prepareStream } from "./stream-context";

/** How to make the contexts of one root id. */
// @ts-ignore: decorator
@final
export class Registration {
  constructor(
    readonly rootId: string,
    private newRoot: () => RootContext,
    private newStream: () => StreamContext,
  ) {}

  createRoot(id: u32, rootId: string): RootContext {
    prepareRoot(id, rootId);
    return this.newRoot();
  }

  createStream(id: u32, root: RootContext): StreamContext {
    prepareStream(id, root);
    return this.newStream();
  }
}

/** In the order of registration. A module has a handful at most: a list is smaller and as fast as a map. */
const registrations: Registration[] = [];

/**
 * Makes a class the filter of a root id: `registerFilter<AddHeader>("add_header")`, at the top level of a file. A
 * module may hold several filters under different root ids.
 */
export function registerFilter<S extends StreamContext>(rootId: string): void {
  registerFilterWithRoot<S, RootContext>(rootId);
}

/** The same for a filter with a root class of its own: `registerFilterWithRoot<Limit, LimitRoot>("limit")`. */
export function registerFilterWithRoot<S extends StreamContext, R extends RootContext>(rootId: string): void {
  registrations.push(
    new Registration(
      rootId,
      () => instantiate<R>(),
      () => instantiate<S>(),
    ),
  );
}

/** Makes a class a service without streams (a timer, a queue worker) under a root id. */
export function registerService<R extends RootContext>(rootId: string): void {
  registerFilterWithRoot<StreamContext, R>(rootId);
}

/**
 * What is registered under a root id, or `null`. A proxy that gives no root id gets the module's only filter.
 */
export function findRegistration(rootId: string): Registration | null {
  for (let i = 0; i < registrations.length; i++) {
    if (registrations[i].rootId == rootId) return registrations[i];
  }
  return rootId.length == 0 && registrations.length == 1 ? registrations[0] : null;
}

/** The registered root ids, for messages. */
export function registeredRootIds(): string {
  let ids = "";
  for (let i = 0; i < registrations.length; i++) ids += (i > 0 ? ", " : "") + registrations[i].rootId;
  return ids;
}
