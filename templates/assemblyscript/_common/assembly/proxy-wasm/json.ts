/** What a JSON value is. */
export const enum JsonKind {
  Null = 0,
  Bool = 1,
  Number = 2,
  Text = 3,
  List = 4,
  Object = 5,
}

/** A JSON value that was read. What does not belong to its kind is empty. */
// @ts-ignore: decorator
@final
export class JsonValue {
  /** `Bool`. */
  flag: bool = false;
  /** `Number`. */
  number: f64 = 0;
  /** `Text`. */
  text: string = "";
  /** `Object`: the names of its values, in the order in which they are written. */
  names: string[] = [];
  /** `List` and `Object`. */
  values: JsonValue[] = [];

  constructor(readonly kind: JsonKind) {}

  /** The value of that name, the last one if there are several; `null` if there is none or this is no object. */
  get(name: string): JsonValue | null {
    const at = this.names.lastIndexOf(name);
    return at < 0 ? null : this.values[at];
  }
}

/** Lists and objects may lie so deep within each other: what comes from outside must not exhaust the stack. */
const MAX_DEPTH: i32 = 32;

/** Reads a JSON text (RFC 8259) as a whole: `value` is `null` when it is none, and `problem` says why and where. */
// @ts-ignore: decorator
@final
export class JsonReader {
  readonly value: JsonValue | null;
  problem: string = "";
  private at: i32 = 0;

  constructor(private text: string) {
    this.value = null;
    const value = this.readValue(0);
    if (value && this.next() != -1) this.fail("text behind the end");
    if (this.problem.length == 0) this.value = value;
  }

  /** The next character that is no blank, not yet taken; -1 at the end. */
  private next(): i32 {
    for (; this.at < this.text.length; this.at++) {
      const unit = this.text.charCodeAt(this.at);
      if (unit != 32 && unit != 9 && unit != 10 && unit != 13) return unit;
    }
    return -1;
  }

  private fail(problem: string): JsonValue | null {
    if (this.problem.length == 0) this.problem = problem + " at character " + (this.at + 1).toString();
    return null;
  }

  private readValue(depth: i32): JsonValue | null {
    const unit = this.next();
    if (unit == 123 || unit == 91) {
      if (depth == MAX_DEPTH) return this.fail("too many lists and objects within each other");
      return unit == 123 ? this.readObject(depth) : this.readList(depth);
    }
    if (unit == 34) return this.readTextValue();
    if (unit == 45 || isDigit(unit)) return this.readNumber();
    if (unit == 116) return this.readWord("true", JsonKind.Bool);
    if (unit == 102) return this.readWord("false", JsonKind.Bool);
    if (unit == 110) return this.readWord("null", JsonKind.Null);
    return this.fail(unit == -1 ? "a value is missing" : "not a value");
  }

  private readWord(word: string, kind: JsonKind): JsonValue | null {
    if (!this.text.startsWith(word, this.at)) return this.fail("not a value");
    this.at += word.length;
    const value = new JsonValue(kind);
    value.flag = word == "true";
    return value;
  }

  private readObject(depth: i32): JsonValue | null {
    const object = new JsonValue(JsonKind.Object);
    this.at++;
    if (this.next() == 125) return this.close(object);
    while (true) {
      if (this.next() != 34) return this.fail("a name in quotes is missing");
      const name = this.readTextValue();
      if (!name) return null;
      if (this.next() != 58) return this.fail("a colon is missing");
      this.at++;
      const value = this.readValue(depth + 1);
      if (!value) return null;
      object.names.push(name.text);
      object.values.push(value);
      const unit = this.next();
      if (unit == 125) return this.close(object);
      if (unit != 44) return this.fail("a comma or } is missing");
      this.at++;
    }
  }

  private readList(depth: i32): JsonValue | null {
    const list = new JsonValue(JsonKind.List);
    this.at++;
    if (this.next() == 93) return this.close(list);
    while (true) {
      const value = this.readValue(depth + 1);
      if (!value) return null;
      list.values.push(value);
      const unit = this.next();
      if (unit == 93) return this.close(list);
      if (unit != 44) return this.fail("a comma or ] is missing");
      this.at++;
    }
  }

  private close(value: JsonValue): JsonValue {
    this.at++;
    return value;
  }

  private readNumber(): JsonValue | null {
    const start = this.at;
    if (this.unit() == 45) this.at++;
    if (this.unit() == 48) this.at++;
    else if (!this.skipDigits()) return this.fail("not a number");
    if (this.unit() == 46) {
      this.at++;
      if (!this.skipDigits()) return this.fail("not a number");
    }
    if (this.unit() == 101 || this.unit() == 69) {
      this.at++;
      if (this.unit() == 43 || this.unit() == 45) this.at++;
      if (!this.skipDigits()) return this.fail("not a number");
    }
    const value = new JsonValue(JsonKind.Number);
    value.number = parseFloat(this.text.slice(start, this.at));
    return value;
  }

  /** The character at the current place, be it a blank; -1 at the end. */
  private unit(): i32 {
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1;
  }

  private skipDigits(): bool {
    const start = this.at;
    while (isDigit(this.unit())) this.at++;
    return this.at > start;
  }

  private readTextValue(): JsonValue | null {
    const value = new JsonValue(JsonKind.Text);
    let start = ++this.at;
    while (true) {
      const unit = this.unit();
      if (unit < 32) return this.fail(unit == -1 ? "a quote is missing" : "a control character in a text");
      if (unit == 34 || unit == 92) {
        value.text += this.text.slice(start, this.at++);
        if (unit == 34) return value;
        const escaped = this.readEscape();
        if (escaped < 0) return this.fail("an escape that is not known");
        value.text += String.fromCharCode(escaped);
        start = this.at;
      } else {
        this.at++;
      }
    }
  }

  /** What stands for the character behind a backslash; -1 when JSON has no such escape. */
  private readEscape(): i32 {
    const unit = this.unit();
    this.at++;
    if (unit == 34 || unit == 92 || unit == 47) return unit;
    if (unit == 98) return 8;
    if (unit == 102) return 12;
    if (unit == 110) return 10;
    if (unit == 114) return 13;
    if (unit == 116) return 9;
    if (unit != 117) return -1;
    let code = 0;
    for (let end = this.at + 4; this.at < end; this.at++) {
      const digit = hexDigit(this.unit());
      if (digit < 0) return -1;
      code = code * 16 + digit;
    }
    return code;
  }
}

function isDigit(unit: i32): bool {
  return unit >= 48 && unit <= 57;
}

function hexDigit(unit: i32): i32 {
  if (isDigit(unit)) return unit - 48;
  const lower = unit | 32;
  return unit > 0 && lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
