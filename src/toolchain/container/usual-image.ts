import { readGoMod, sdkOf } from "../go/go-mod.ts";
import type { BuildLanguage } from "../runner.ts";
import { badPair } from "../tinygo/known-pairs.ts";
import { TOOL_IMAGES, type ToolImage } from "./images.ts";

/** The image a project is built in when none is named: for TinyGo, one whose compiler can build the project's SDK. */
export async function usualImage(language: BuildLanguage, folder: string): Promise<ToolImage> {
  const usual = TOOL_IMAGES[language];
  const mod = language === "tinygo" ? await readGoMod(folder) : undefined;
  const sdk = mod === undefined ? undefined : sdkOf(mod);
  if (sdk === undefined) return usual;
  return TINYGO.find(({ version }) => badPair(sdk, version) === undefined)?.tool ?? usual;
}

/** The usual one, then that of the old builder image, which there is for one platform only. */
const TINYGO: readonly { readonly version: string; readonly tool: ToolImage }[] = [
  { version: "0.38.0", tool: TOOL_IMAGES.tinygo },
  { version: "0.17.0", tool: { image: "docker.io/tinygo/tinygo:0.17.0", platform: "linux/amd64" } },
];
