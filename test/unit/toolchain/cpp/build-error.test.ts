import { describe, expect, it } from "vitest";
import { cppError } from "../../../../src/toolchain/cpp/build-error.ts";

/** What compilers print, and what is made of it. */
const CASES: readonly (readonly [string, string, string, RegExp])[] = [
  [
    "an error in the source",
    "src/filter.cc:3:5: error: use of undeclared identifier 'x'\n    3 | x;\nsrc/filter.cc:4:1: error: expected '}'\n2 errors generated.\n",
    "cannot compile the filter: 2 errors, the first: src/filter.cc:3:5: error: use of undeclared identifier 'x'",
    /^clang 1 was used/u,
  ],
  [
    "a missing header",
    "src/f.cc:1:10: fatal error: 'no.h' file not found\n",
    "cannot compile the filter: src/f.cc:1:10: fatal error: 'no.h' file not found",
    /put no\.h into the project/u,
  ],
  [
    "a host function without import",
    "wasm-ld: error: /tmp/b-a6b4e4.o: undefined symbol: proxy_log\nclang++: error: linker command failed with exit code 1 (use -v to see invocation)\n",
    "cannot compile the filter: wasm-ld: error: undefined symbol: proxy_log",
    /import_name\("proxy_log"\)/u,
  ],
  [
    "another symbol that is missing",
    "wasm-ld: error: lto.tmp: undefined symbol: helper()\n",
    "cannot compile the filter: wasm-ld: error: undefined symbol: helper()",
    /below src\/\?/u,
  ],
  [
    "exceptions",
    "src/f.cc:2:3: error: cannot use 'throw' with exceptions disabled\n",
    "cannot compile the filter: src/f.cc:2:3: error: cannot use 'throw' with exceptions disabled",
    /cannot unwind a module/u,
  ],
];

describe("a failed compilation", () => {
  it.for(CASES)("%s", async ([, said, message, hint]) => {
    const error = await cppError({ said, exitCode: 1, label: "clang 1", npm: true });
    expect(error).toMatchObject({ code: "COMPILE_FAILED", kind: "build-failed", message });
    expect(error.hint).toMatch(hint);
  });

  it("is told from a compiler that was ended", async () => {
    const error = await cppError({ said: "", exitCode: undefined, label: "clang 1", npm: true });
    expect(error.message).toBe("clang 1 was ended");
  });

  it("shows the last words of a compiler that broke", async () => {
    const said = "RangeError: WebAssembly.Memory(): could not allocate memory\n\nNode.js v20\n";
    const error = await cppError({ said, exitCode: 1, label: "clang 1", npm: true });
    expect(error.message).toContain("RangeError: WebAssembly.Memory()");
  });
});
