import { expect, it } from "vitest";
import { buildOperatorProgram, type OperatorSettings } from "../../../src/mesh/operator-objects.ts";

const settings = (namespace: string, watchNamespaces: readonly string[]): OperatorSettings => ({
  name: "wasme-operator",
  namespace,
  image: "example.com/wasme:1",
  imagePullPolicy: "IfNotPresent",
  replicas: 1,
  watchNamespaces,
  pullSecrets: [],
  cache: { name: "wasme-cache", namespace: "wasme" },
});

it.each([{ watched: [] }, { watched: ["shop"] }])(
  "has nothing in common with an operator of another namespace, watching $watched",
  ({ watched }) => {
    const names = (namespace: string): string[] =>
      buildOperatorProgram(settings(namespace, watched)).map(
        ({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`,
      );
    const usual = new Set(names("wasme-operator"));
    expect(usual.has("Role wasme/wasme-operator-cache")).toBe(true);
    expect(names("team").filter((name) => usual.has(name))).toEqual([]);
  },
);
