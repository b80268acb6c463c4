import { document } from "./yaml.mjs";

/**
 * Makes Helm templates of the objects a function builds. It is called with settings whose values are placeholders
 * (`placeholder`, `structure`), which become expressions; and once more for each switch, whose lines become a
 * conditional. So the chart says what the functions say, without a second source.
 */
export function templates(build, settings, switches = []) {
  const plain = build(settings).map(lines);
  const changed = switches.map(({ when, settings: changes }) => ({
    when,
    objects: build({ ...settings, ...changes }).map(lines),
  }));
  return plain.map((base, index) => {
    const hunks = changed.flatMap(({ when, objects }) => {
      if (objects.length !== plain.length) throw new Error(`${when} changes which objects there are`);
      return difference(base, objects[index]).map((hunk) => ({ ...hunk, when }));
    });
    return filled(conditional(base, hunks).join("\n"));
  });
}

/** Stands for a value of the chart, whole or within a text. */
export function placeholder(expression) {
  return `helm${Buffer.from(expression).toString("hex")}x`;
}

/** Stands for a list or an object of the chart. */
export function structure(expression) {
  return `helmyaml${Buffer.from(expression).toString("hex")}x`;
}

function lines(object) {
  return document(object).trimEnd().split("\n");
}

/** Where `other` differs from `base`: lines `[start, end)` of it are `inserted` there (longest common subsequence). */
function difference(base, other) {
  const common = Array.from({ length: base.length + 1 }, () => Array.from({ length: other.length + 1 }, () => 0));
  for (let i = base.length - 1; i >= 0; i -= 1)
    for (let j = other.length - 1; j >= 0; j -= 1)
      common[i][j] = base[i] === other[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  const hunks = [];
  let open;
  const hunkAt = (at) => {
    if (open === undefined) hunks.push((open = { start: at, end: at, inserted: [] }));
    return open;
  };
  let [i, j] = [0, 0];
  while (i < base.length || j < other.length) {
    if (base[i] === other[j]) {
      open = undefined;
      i += 1;
      j += 1;
    } else if (j < other.length && (i === base.length || common[i][j + 1] >= common[i + 1][j])) {
      hunkAt(i).inserted.push(other[j]);
      j += 1;
    } else {
      i += 1;
      hunkAt(i - 1).end = i;
    }
  }
  return hunks;
}

function conditional(base, hunks) {
  const sorted = hunks.toSorted((a, b) => a.start - b.start);
  const result = [];
  let at = 0;
  for (const { start, end, inserted, when } of sorted) {
    if (start < at) throw new Error(`two switches change the same lines, one is ${when}`);
    result.push(...base.slice(at, start));
    const [removed, condition] = [base.slice(start, end), `if ${when}`];
    if (inserted.length === 0) result.push(`{{- if not (${when}) }}`, ...removed, "{{- end }}");
    else
      result.push(
        `{{- ${condition} }}`,
        ...inserted,
        ...(removed.length > 0 ? ["{{- else }}", ...removed] : []),
        "{{- end }}",
      );
    at = end;
  }
  return [...result, ...base.slice(at)];
}

/** A whole scalar is quoted, since what looks like a number is none; within a text it stands as it is. */
function filled(text) {
  const plain = (hex) => Buffer.from(hex, "hex").toString();
  return text
    .replaceAll(/^( *)- helmyaml([0-9a-f]+)x$/gmu, (_, indent, hex) => {
      return `${indent}{{- toYaml ${plain(hex)} | nindent ${indent.length} }}`;
    })
    .replaceAll(/^( *)(.*): helmyaml([0-9a-f]+)x$/gmu, (_, indent, key, hex) => {
      return `${indent}${key}: {{- toYaml ${plain(hex)} | nindent ${indent.length + 2} }}`;
    })
    .replaceAll(/(: |- )helm([0-9a-f]+)x$/gmu, (_, before, hex) => `${before}{{ ${plain(hex)} | quote }}`)
    .replaceAll(/helm([0-9a-f]+)x/gu, (_, hex) => `{{ ${plain(hex)} }}`);
}
