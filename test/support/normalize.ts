/** Takes out of output what differs from run to run: digests, times, ports, versions and the folders given. */
export function normalize(text: string, folders: Readonly<Record<string, string>> = {}): string {
  const named = Object.entries(folders).reduce((rest, [name, folder]) => rest.replaceAll(folder, `<${name}>`), text);
  return named
    .replaceAll(/\bsha256:[0-9a-f]{64}\b/gu, "sha256:<digest>")
    .replaceAll(/\b127\.0\.0\.1:\d{2,5}\b/gu, "<host>")
    .replaceAll(/\b\d{2} [A-Z][a-z]{2} \d{2} \d{2}:\d{2} UTC\b/gu, "<time>")
    .replaceAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/gu, "<time>")
    .replaceAll(/\bwasme version \d+\.\d+\.\d+\S*/gu, "wasme version <version>");
}
