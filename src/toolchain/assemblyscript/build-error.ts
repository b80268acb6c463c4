import { WasmeError } from "../../domain/errors.ts";
import type { AsDiagnostic, CompileResult } from "./compile.ts";
import { compilerHint } from "./hints.ts";
import type { AsCompiler } from "./project.ts";

/** The error of a compilation without a module (`COMPILE_FAILED`, kind build-failed), with the first diagnostic. */
export function compileError(result: CompileResult, compiler: AsCompiler): WasmeError {
  const errors = result.diagnostics.filter((item) => item.severity === "error");
  const [first] = errors;
  const said = first === undefined ? firstLine(result.error) : oneLine(first);
  const count = errors.length > 1 ? `${errors.length} errors, the first: ` : "";
  const hint = compilerHint(`${result.text}\n${result.error ?? ""}`, compiler);
  return new WasmeError("build-failed", "COMPILE_FAILED", `cannot compile the filter: ${count}${said}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { compiler: `assemblyscript ${compiler.version}`, diagnostics: errors },
  });
}

/** What `asc` prints, without blank lines and its closing count of errors: the error itself says that. */
export function compilerLines(text: string): readonly string[] {
  return text.split(/\r?\n/u).filter((line) => line.trim() !== "" && !/^FAILURE \d+ .*error\(s\)/u.test(line));
}

/** `assembly/index.ts:3:5: Type 'i32' is not assignable to type 'bool'. (TS2322)` */
function oneLine(diagnostic: AsDiagnostic): string {
  const { file, line, column, message, code } = diagnostic;
  const place = file === undefined ? "" : `${[file, line, column].filter((part) => part !== undefined).join(":")}: `;
  return `${place}${message} (TS${code})`;
}

function firstLine(text: string | undefined): string {
  return text?.split("\n", 1)[0] ?? "the compiler made no module";
}
