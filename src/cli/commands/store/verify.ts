import type { VerifiedImage, VerifyStoreResult } from "../../../images/verify-store.ts";
import type { Style } from "../../../platform/terminal.ts";
import { type CommandSpec, manyArguments } from "../../command-spec.ts";
import { openStoreFor, storeOptions } from "../../options/store.ts";
import { versioned } from "../../outcome.ts";
import { formatSize } from "../../render/size.ts";

/** `wasme store verify [REF…]`. */
export const storeVerify: CommandSpec = {
  name: "store verify",
  summary: "Read and check every byte of the local store",
  description:
    "Read and hash all content of the local store, or of some images, and tell what is damaged and how to mend it. " +
    "Exits with 1 when something is damaged. Blobs no image needs and unfinished files are counted: they do no harm.",
  examples: [
    { command: "wasme store verify", does: "everything" },
    { command: "wasme store verify hello:v1", does: "one image" },
    { command: "wasme store verify -q", does: "print only the names of damaged images" },
  ],
  arguments: [{ name: "[refs...]", description: "references in the local store", complete: "image" }],
  options: storeOptions,
  async run(context, input) {
    const { verifyStore } = await import("../../../images/verify-store.ts");
    const store = await openStoreFor(context, input.options);
    const request = { references: manyArguments(input, 0) };
    const result = await verifyStore({ store, signal: context.signal }, request, context.events);
    return {
      json: versioned("StoreVerifyResult", result),
      names: result.images.filter((image) => image.state === "damaged").map((image) => image.reference),
      text: (style) => describe(result, style),
      exitCode: result.ok ? 0 : 1,
    };
  },
};

function describe(result: VerifyStoreResult, style: Style): string {
  const { images, read, unnamed, unfinished, strays, problems } = result;
  const damaged = images.filter((image) => image.state === "damaged").length;
  const index = problems.length === 0 ? "" : ", the store itself is";
  return [
    ...images.flatMap((image) => describeImage(image, style)),
    ...problems.flatMap(({ message, mend }) => [`${style.red("damaged")}  ${message}`, `         ${mend}`]),
    ...strays.map((path) => `${style.yellow("stray")}    ${path}`),
    ...(unnamed !== undefined && unnamed.files > 0
      ? [`${count(unnamed.files, "blob")} no image needs (${formatSize(unnamed.bytes)}): see wasme store prune`]
      : []),
    ...(unfinished.files > 0
      ? [`${count(unfinished.files, "unfinished file")} (${formatSize(unfinished.bytes)})`]
      : []),
    `${count(images.length, "image")}, ${damaged === 0 ? "none" : damaged} damaged${index}; ` +
      `${count(read.files, "blob")} read (${formatSize(read.bytes)})`,
  ].join("\n");
}

function describeImage({ reference, state, problems }: VerifiedImage, style: Style): string[] {
  const name = reference === "" ? "(no name)" : reference;
  if (state === "ok") return [`${style.green("ok")}       ${name}`];
  const mend = problems[0]?.mend;
  return [
    `${style.red("damaged")}  ${style.bold(name)}`,
    ...problems.map(({ message }) => `         ${message}`),
    ...(mend === undefined ? [] : [`         ${mend}`]),
  ];
}

function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? "" : "s"}`;
}
