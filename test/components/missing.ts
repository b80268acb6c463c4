/** A program that tests need and this machine cannot have: no package source, no rights, wrong platform. */
export class MissingComponent extends Error {
  readonly component: string;

  constructor(component: string, reason: string, cause?: unknown) {
    super(`${component} is missing: ${reason}`, cause === undefined ? {} : { cause });
    this.name = "MissingComponent";
    this.component = component;
  }
}

/** Runs an installer; whatever goes wrong in it means that the component is missing. */
export async function installing<T>(component: string, install: () => Promise<T>): Promise<T> {
  try {
    return await install();
  } catch (error) {
    if (error instanceof MissingComponent) throw error;
    throw new MissingComponent(component, error instanceof Error ? error.message : String(error), error);
  }
}

/** Whether this is a CI run (`CI` is set), where a missing component is a failure and never a skip. */
export function inCi(): boolean {
  return (process.env["CI"] ?? "") !== "";
}
