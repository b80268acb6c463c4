import { floors } from "./test/support/rooms.mjs";

const rooms = floors.flat();

/** One rule per room: everything on its own floor (but itself) or above is banned. */
const roomRules = floors.flatMap((floor, level) =>
  floor.map((room) => {
    const banned = rooms.filter((other) => other !== room && floors.findIndex((f) => f.includes(other)) >= level);
    const patterns = [{ group: banned.map((other) => `**/${other}/**`), message: `${room} is on floor ${level}` }];
    return { files: [`src/${room}/**`], rules: { "no-restricted-imports": ["error", { patterns }] } };
  }),
);

export default {
  plugins: ["typescript", "import", "unicorn", "oxc", "vitest", "node"],
  categories: { correctness: "error", suspicious: "error" },
  ignorePatterns: ["dist", "coverage", "templates", "test/fixtures"],
  rules: {
    "import/no-cycle": ["error", { ignoreTypes: false }],
    "max-lines": ["error", { max: 300, skipBlankLines: true, skipComments: true }],
    "max-depth": ["error", 3],
    complexity: ["error", 12],
    "no-console": "error",
    "typescript/no-explicit-any": "error",
    "typescript/no-non-null-assertion": "error",
    "typescript/no-floating-promises": "error",
    "typescript/switch-exhaustiveness-check": "error",
    "import/no-named-as-default-member": "off",
    "typescript/no-unsafe-type-assertion": "off",
    // An exhaustive switch returns on every path; the compiler proves it.
    "typescript/consistent-return": "off",
    "unicorn/consistent-function-scoping": "off",
    "vitest/no-standalone-expect": ["error", { additionalTestBlockFunctions: ["beforeAll", "beforeEach"] }],
    "vitest/valid-expect": ["error", { maxArgs: 2 }],
    "vitest/no-focused-tests": "error",
    "vitest/no-disabled-tests": "error",
  },
  overrides: [
    ...roomRules,
    {
      files: ["test/**", ".*.mjs"],
      rules: { "max-lines": ["error", { max: 500, skipBlankLines: true, skipComments: true }], "no-console": "off" },
    },
    // Measurements print; they assert nothing but that commands work.
    { files: ["test/bench/**"], rules: { "vitest/expect-expect": "off" } },
  ],
};
