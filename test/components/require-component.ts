import { inject, type TestContext } from "vitest";
import { inCi, MissingComponent } from "./missing.ts";

/** A component that works, or why the test has to be skipped. */
export type Component<T> = { readonly ready: T } | { readonly skip: string };

/**
 * Gets a component for a test. Outside CI a {@link MissingComponent} becomes a reason to skip; in CI (`CI` is
 * set) it is thrown, and everything else always is: a component that is there but does not work fails the test.
 * What the global setup could not install is not tried again in every file.
 */
export async function component<T>(name: string, get: () => Promise<T>): Promise<Component<T>> {
  try {
    const known = providedComponents()?.failures[name];
    if (known !== undefined) throw new MissingComponent(name, known);
    return { ready: await get() };
  } catch (error) {
    if (!(error instanceof MissingComponent) || inCi()) throw error;
    return { skip: error.message };
  }
}

/** {@link component} for use inside a test: a missing one skips the test, visibly and with its reason. */
export async function need<T>(context: TestContext, name: string, get: () => Promise<T>): Promise<T> {
  const found = await component(name, get);
  if ("skip" in found) context.skip(found.skip);
  return found.ready;
}

/** What the global setup left for the test files; undefined when the run has no global setup. */
export function providedComponents(): ProvidedComponents | undefined {
  return inject("components");
}

/** What the global setup tells every test file. */
export interface ProvidedComponents {
  /** Loopback address that starts the shared cluster on the first request. */
  readonly desk: string;
  /** Components that could not be installed, by name, with the reason. */
  readonly failures: Readonly<Record<string, string>>;
}

declare module "vitest" {
  export interface ProvidedContext {
    components: ProvidedComponents | undefined;
  }
}
