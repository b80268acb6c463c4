/** Text of a stranger as one line of at most `most` characters: it cannot pass for lines of ours. */
export function oneLine(text: string, most: number): string {
  const line = text.replaceAll(/\s+/gu, " ").trim();
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`;
}
