interface Folder {
  readonly folders: Map<string, Folder>;
  readonly files: string[];
}

/**
 * Draws paths (`/` between folders) as an indented tree, folders first, one line each; a folder nested deeper than
 * `depth` levels is drawn as its name and its number of files.
 */
export function drawTree(paths: readonly string[], depth = 2): readonly string[] {
  const root: Folder = { folders: new Map(), files: [] };
  for (const path of paths) {
    const parts = path.split("/");
    const file = parts.pop();
    const folder = parts.reduce(enter, root);
    if (file !== undefined) folder.files.push(file);
  }
  return draw(root, "", depth);
}

function enter(parent: Folder, name: string): Folder {
  const known = parent.folders.get(name);
  if (known !== undefined) return known;
  const made: Folder = { folders: new Map(), files: [] };
  parent.folders.set(name, made);
  return made;
}

function draw(folder: Folder, indent: string, depth: number): readonly string[] {
  const folders = [...folder.folders].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...folders.flatMap(([name, inner]) =>
      depth > 1
        ? [`${indent}${name}/`, ...draw(inner, `${indent}  `, depth - 1)]
        : [`${indent}${name}/ (${count(inner)} files)`],
    ),
    ...folder.files.toSorted().map((name) => `${indent}${name}`),
  ];
}

function count(folder: Folder): number {
  return [...folder.folders.values()].reduce((sum, inner) => sum + count(inner), folder.files.length);
}
