import { bazelMark, readCppProject } from "../cpp/project.ts";
import { compileSteps } from "../cpp/flags.ts";
import { EMSCRIPTEN, type NativeCompiler } from "../cpp/native.ts";
import { toolchainFile, variablesOf } from "../cpp/own-build.ts";
import { imageNeeded } from "./images.ts";
import {
  CACHE,
  type ContainerPlan,
  COPY,
  intoCopy,
  onlyModule,
  OUTPUT,
  type PlanRequest,
  scriptOf,
  shellWords,
  WORKSPACE,
} from "./plan.ts";

/** C++ by emscripten, or by the project's own makefile or CMake with it, with the same flags as on the machine. */
export async function planCpp({ folder }: PlanRequest): Promise<ContainerPlan> {
  const project = await readCppProject(folder);
  const { ownBuild: own } = project;
  if (own === undefined && project.sources.length === 0) {
    throw imageNeeded(`the project in ${folder} is built by Bazel (${(await bazelMark(folder)) ?? "BUILD"})`);
  }
  const em = compiler();
  const copied = { ...project, folder: COPY };
  const plain = (): readonly string[] => {
    const map = `-ffile-prefix-map=${WORKSPACE}=.`;
    const flags = { ...em.flags, compile: [...em.flags.compile, map] };
    return compileSteps(project, flags, `${OUTPUT}/`).map(({ c, args }) => shellWords([c ? "emcc" : "em++", ...args]));
  };
  const make = [...intoCopy([]), STAMP, "make", `if [ -f ${OUTPUT}/filter.wasm ]; then exit 0; fi`, ...newest(".")];
  const cmake = [
    ...intoCopy(["build"]),
    `cat > /tmp/toolchain.cmake <<'END_OF_FILE'\n${toolchainFile(em, copied)}END_OF_FILE`,
    `cmake -S . -B ${BUILD} -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=/tmp/toolchain.cmake`,
    STAMP,
    `cmake --build ${BUILD} --parallel`,
    ...newest(BUILD),
  ];
  const lines = own === undefined ? plain() : own.tool === "make" ? make : cmake;
  return {
    script: scriptOf(["em++", "--version"], lines),
    env: {
      EM_CACHE: `${CACHE}/emscripten`,
      ...(own?.tool === "make" ? { ...variablesOf(em, copied), OUT: `${OUTPUT}/filter.wasm` } : {}),
    },
    pinned: own === undefined,
    optimize: false,
    facts: { target: em.target },
    label: (said) =>
      `emscripten ${/(\d+\.\d+\.\d+)/u.exec(said)?.[1] ?? ""}`.trim() + (own === undefined ? "" : ` by ${own.tool}`),
  };
}

function compiler(): NativeCompiler {
  const flags = EMSCRIPTEN[0] ?? { compile: [], link: [] };
  return { kind: "em++", command: "em++", cCommand: "emcc", label: "emscripten", target: "emscripten", flags };
}

const BUILD = "/tmp/build";
const STAMP = "touch /tmp/started";

/** The module that was written since the build began. */
function newest(folder: string): readonly string[] {
  return onlyModule(`$(find ${folder} -name '*.wasm' -newer /tmp/started)`, "let the build write it to $OUT");
}
