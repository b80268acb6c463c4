import type { GoSdk } from "../go/go-mod.ts";

/** A pair of SDK and compiler that cannot build. */
export interface BadPair {
  /** Why, as the end of a sentence. */
  readonly why: string;
  readonly hint: string;
}

/**
 * Whether this SDK is known not to build with this TinyGo, both as `[major, minor]`. Old SDKs define `malloc`, which
 * TinyGo defines, too, since it has an allocator for C (seen with SDK 0.1.1 and TinyGo 0.28); SDK 0.24 uses types of
 * slices that TinyGo has since 0.32.
 */
export function badPair(sdk: GoSdk, compiler: string): BadPair | undefined {
  const [library, tinygo] = [levelOf(sdk.version), levelOf(compiler)];
  if (library === undefined || tinygo === undefined || sdk.language !== "tinygo") return undefined;
  if (library < 2 && tinygo >= 28) {
    return {
      why: "both define malloc, and the linker refuses that",
      hint: `take SDK 0.2 or newer (go get ${sdk.module}@v0.22.0 and follow its API), or TinyGo 0.17, which the old builder image has: --builder container`,
    };
  }
  if (library >= 24 && tinygo < 32) {
    return {
      why: "this SDK needs TinyGo 0.32 or newer",
      hint: `install a newer TinyGo, or take an older SDK: go get ${sdk.module}@v0.22.0`,
    };
  }
  return undefined;
}

/** `v0.24.0` is 24, `1.2.3` is 1002; `undefined` for what is no version. */
export function levelOf(version: string): number | undefined {
  const match = /^v?(\d+)\.(\d+)/u.exec(version);
  return match === null ? undefined : Number(match[1]) * 1000 + Number(match[2]);
}
