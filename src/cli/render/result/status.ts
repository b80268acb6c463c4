import { isDigest, shortDigest } from "../../../domain/digest.ts";
import { filterTitle } from "../../../deploy/status-watch.ts";
import { firstTrouble, type FilterStatus, type StatusStep } from "../../../deploy/status-step.ts";
import type { StatusResult } from "../../../deploy/status.ts";
import type { Style } from "../../../platform/terminal.ts";
import { type Column, renderTable } from "../table.ts";
import { wrap } from "../wrap.ts";

/** How to show it. */
export interface TextOptions {
  /** Every step, not only what is in the way. */
  readonly detailed: boolean;
  /** Only filters of some workloads were asked for. */
  readonly narrowed?: boolean;
  readonly style: Style;
  /** Columns. */
  readonly width: number;
}

/** How the filters do: a line each, and what is in the way; everything of each with `detailed`. */
export function statusText(result: StatusResult, { detailed, narrowed = false, style, width }: TextOptions): string {
  const { filters, namespace } = result;
  if (filters.length === 0) {
    const none = narrowed ? "no filter is deployed on such workloads" : "no filter is deployed";
    return namespace === undefined ? none : `${none} in namespace ${namespace}`;
  }
  const table = renderTable(
    columns(namespace),
    filters.map((one) => row(one, namespace)),
    width,
  );
  const below = detailed
    ? filters.map((filter) => details(filter, style, width))
    : filters.flatMap((filter) => trouble(filter, style, width));
  return [table, ...below].join("\n\n");
}

const NAMESPACE: Column = { title: "NAMESPACE", minWidth: 8 };

function columns(namespace: string | undefined): readonly Column[] {
  return [
    ...(namespace === undefined ? [NAMESPACE] : []),
    { title: "FILTER", minWidth: 8 },
    { title: "WORKLOAD", minWidth: 12 },
    { title: "DELIVERY", minWidth: 8 },
    { title: "MODULE" },
    { title: "NODES" },
    { title: "STATE" },
  ];
}

function row(filter: FilterStatus, namespace: string | undefined): readonly string[] {
  const { id, workload, delivery, moduleDigest, nodes } = filter;
  const ready = nodes.filter(({ state }) => state === "ready").length;
  const digest = moduleDigest !== undefined && isDigest(moduleDigest) ? shortDigest(moduleDigest) : "-";
  return [
    ...(namespace === undefined ? [filter.namespace] : []),
    id,
    workload ?? "-",
    delivery ?? "-",
    digest,
    nodes.length === 0 ? "-" : `${ready}/${nodes.length}`,
    stateWord(filter),
  ];
}

/** `off: nodes`: the step that is in the way. */
function stateWord({ state, steps }: FilterStatus): string {
  const first = firstTrouble(steps);
  return first === undefined ? state : `${state}: ${first.name}`;
}

function trouble(filter: FilterStatus, style: Style, width: number): readonly string[] {
  const first = firstTrouble(filter.steps);
  if (first === undefined) return [];
  return [[style.bold(wrap(filterTitle(filter), width)), ...stepLines(first, style, width)].join("\n")];
}

function details(filter: FilterStatus, style: Style, width: number): string {
  const { image, object, filterDeployment, steps, nodes, proxies } = filter;
  const first = firstTrouble(steps);
  const lines = [
    style.bold(wrap(filterTitle(filter), width)),
    ...(image === undefined ? [] : [`  image  ${image}`]),
    ...(object === undefined
      ? []
      : [`  by     ${object}${filterDeployment === undefined ? "" : `, for FilterDeployment ${filterDeployment}`}`]),
    ...steps.flatMap((step) =>
      step === first ? stepLines(step, style, width) : stepLines(withoutFix(step), style, width),
    ),
  ];
  const more = [
    ...nodes.map(({ node, state, message }) => [node, state, message]),
    ...proxies.map(({ pod, state, message }) => [pod, state === "unknown" ? "?" : state, message]),
  ];
  return [...lines, ...(more.length === 0 ? [] : ["", renderTable(MORE, more, width)])].join("\n");
}

const MORE: readonly Column[] = [
  { title: "NODE OR POD", minWidth: 12 },
  { title: "STATE" },
  { title: "SAYS", minWidth: 20 },
];

/** What may not be seen says how to see it, in the way or not. */
function withoutFix(step: StatusStep): StatusStep {
  if (step.state === "unknown") return step;
  const { name, state, message } = step;
  return { name, state, message };
}

function stepLines({ name, state, message, fix }: StatusStep, style: Style, width: number): readonly string[] {
  const head = `  ${marked(state, style)} ${name.padEnd(9)} `;
  const indent = " ".repeat(14);
  const [line = "", ...rest] = wrap(message, width - indent.length).split("\n");
  const text = [`${head}${line}`, ...rest.map((one) => `${indent}${one}`)];
  // A command stays in one line, so that it can be copied.
  return fix === undefined ? text : [...text, `${indent}${style.dim("fix:")} ${fix}`];
}

function marked(state: StatusStep["state"], style: Style): string {
  if (state === "ok") return style.green("✓");
  if (state === "failed") return style.red("✗");
  return state === "waiting" ? style.yellow("…") : style.dim("?");
}
