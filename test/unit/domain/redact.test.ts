import { describe, expect, it } from "vitest";
import { redact } from "../../../src/domain/redact.ts";

describe("redact", () => {
  it.each([
    ["https://user:secret@host/x", "https://***@host/x"],
    ["authorization: Basic dXNlcjpwYXNz", "authorization: Basic ***"],
    ["Bearer eyJhbGciOiJSUzI1NiJ9.e30.abc", "Bearer ***"],
    ['Bearer realm="https://host/token",service="s"', 'Bearer realm="https://host/token",service="s"'],
    ["https://host/t?service=s&token=abcdef", "https://host/t?service=s&token=***"],
    ["https://s3/x?X-Amz-Signature=abc&y=1", "https://s3/x?X-Amz-Signature=***&y=1"],
    ['{"auth":"dXNlcjpwYXNz","x":1}', '{"auth":"***","x":1}'],
    ['{"password":"p\\"w","x":1}', '{"password":"***","x":1}'],
    ["clear\u001b[2Jscreen\u0007", "clear\\x1b[2Jscreen\\x07"],
    ["plain text, two\nlines\tand a tab", "plain text, two\nlines\tand a tab"],
  ])("%j becomes %j", (text, shown) => {
    expect(redact(text)).toBe(shown);
  });
});
