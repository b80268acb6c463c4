import { usageError } from "../domain/errors.ts";

/**
 * Splits one line of arguments as a POSIX shell would, quotes and backslashes included, but expands nothing: no
 * variables, no patterns, and no shell is run. `option` names the flag in errors. Throws `ARGUMENTS_INVALID` (usage).
 */
export function splitArguments(line: string, option: string): readonly string[] {
  const words: string[] = [];
  let rest = line.trimStart();
  while (rest !== "") {
    const { word, after } = readWord(rest, option);
    words.push(word);
    rest = after.trimStart();
  }
  return words;
}

const PIECE = /^(?:'(?<single>[^']*)'|"(?<double>(?:[^"\\]|\\[\s\S])*)"|\\(?<escaped>[\s\S])|(?<plain>[^\s'"\\]+))/u;

function readWord(text: string, option: string): { readonly word: string; readonly after: string } {
  let word = "";
  let rest = text;
  while (rest !== "" && !/^\s/u.test(rest)) {
    const match = PIECE.exec(rest);
    if (match === null) throw unfinished(rest, option);
    const { single, double, escaped, plain } = match.groups ?? {};
    word += single ?? double?.replaceAll(/\\(["\\$`])/gu, "$1") ?? escaped ?? plain ?? "";
    rest = rest.slice(match[0].length);
  }
  return { word, after: rest };
}

function unfinished(rest: string, option: string): Error {
  const what = rest.startsWith("\\") ? "ends in a lone backslash" : `has an open ${rest.slice(0, 1)}`;
  return usageError("ARGUMENTS_INVALID", `${option} ${what}: ${rest.slice(0, 80)}`, {
    hint: "quote it as for a shell, and close every quote",
  });
}
