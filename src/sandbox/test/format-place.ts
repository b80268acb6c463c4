import type { Place } from "./shape.ts";

/** `tests[2].expect.response`. */
export function formatPlace(place: Place): string {
  let text = "";
  for (const part of place) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[\w-]+$/u.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}
