import { describe, expect, it } from "vitest";
import { withName } from "../../../src/scaffold/project-name.ts";

function named(files: Readonly<Record<string, string>>, name: string): Readonly<Record<string, string>> {
  const given = Object.entries(files).map(([path, text]) => ({ path, bytes: Buffer.from(text) }));
  return Object.fromEntries(withName(given, name).map(({ path, bytes }) => [path, Buffer.from(bytes).toString()]));
}

const CARGO = '# filter\n[package]\n# its name\nname = "filter"\nversion = "0.1.0"\n\n[dependencies]\nlog = "0.4"\n';
const LOCK =
  'version = 4\n\n[[package]]\nname = "filter"\nversion = "0.1.0"\n\n[[package]]\nname = "log"\nversion = "0.4.1"\n';

describe("withName", () => {
  it("names a Cargo package, in its lock file too", () => {
    expect(named({ "Cargo.toml": CARGO, "Cargo.lock": LOCK, "sub/Cargo.toml": CARGO }, "my-filter")).toEqual({
      "Cargo.toml": CARGO.replace('"filter"', '"my-filter"'),
      "Cargo.lock": LOCK.replace('"filter"', '"my-filter"'),
      "sub/Cargo.toml": CARGO,
    });
  });

  it.each([
    ["log", "log-filter"],
    ["std", "std-filter"],
    ["match", "match-filter"],
    ["2fa", "filter-2fa"],
    ["a.b~c", "a-b-c"],
    ["filter", "filter"],
  ])("makes %s to the Cargo package %s", (name, crate) => {
    expect(named({ "Cargo.toml": CARGO, "Cargo.lock": LOCK }, name)["Cargo.toml"]).toContain(`name = "${crate}"`);
  });

  it("leaves a package alone that its author called otherwise", () => {
    const files = {
      "Cargo.toml": CARGO.replace('"filter"', '"acme"'),
      "Cargo.lock": LOCK,
      "go.mod": "module acme.example/filter\n",
      "main.go": 'import "acme.example/filter/x"\n',
    };
    expect(named(files, "mine")).toEqual(files);
    const dependency = { "Cargo.toml": '[package]\nname = "acme"\n[lib]\nname = "filter"\n' };
    expect(named(dependency, "mine")).toEqual(dependency);
  });

  it("names a Go module, and what is imported from it", () => {
    const main = 'package main\n\nimport (\n\t"example.com/filter/inner"\n\t"example.com/filters/x"\n)\n';
    expect(named({ "go.mod": "module example.com/filter\n\ngo 1.24\n", "main.go": main }, "my~filter")).toEqual({
      "go.mod": "module example.com/my-filter\n\ngo 1.24\n",
      "main.go": main.replace("filter/inner", "my-filter/inner"),
    });
  });

  it("names a CMake project", () => {
    expect(named({ "CMakeLists.txt": "project(filter CXX)\nadd_executable(filter x.cc)\n" }, "mine")).toEqual({
      "CMakeLists.txt": "project(mine CXX)\nadd_executable(filter x.cc)\n",
    });
  });
});
