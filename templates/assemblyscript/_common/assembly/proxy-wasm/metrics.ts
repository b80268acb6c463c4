import { proxy_define_metric, proxy_get_metric, proxy_increment_metric, proxy_record_metric } from "./host";
import { OUT, nameOut, outNumber } from "./memory";
import { ok } from "./status";

/**
 * A metric of the proxy, defined there at its first use: so it can be a constant of the module, although no host
 * function may be called while the module starts.
 */
class Metric {
  private id: u32 = 0;
  private defined: bool = false;

  constructor(
    private type: i32,
    readonly name: string,
  ) {}

  protected add(offset: i64): bool {
    return this.define() && ok(proxy_increment_metric(this.id, offset));
  }

  protected write(value: i64): bool {
    return this.define() && ok(proxy_record_metric(this.id, value));
  }

  protected read(): u64 {
    return this.define() && ok(proxy_get_metric(this.id, OUT)) ? load<u64>(OUT) : 0;
  }

  private define(): bool {
    if (this.defined) return true;
    nameOut.setText(this.name);
    if (!ok(proxy_define_metric(this.type, nameOut.address, nameOut.size, OUT))) return false;
    this.id = outNumber();
    this.defined = true;
    return true;
  }
}

/** A number that only grows. `const requests = new Counter("requests")` at the top of a file is fine. */
// @ts-ignore: decorator
@final
export class Counter extends Metric {
  constructor(name: string) {
    super(0, name);
  }

  /** Adds to it, 1 if not said otherwise; 0 is refused by the proxy. */
  increment(by: u32 = 1): bool {
    return this.add(by);
  }

  /** Its value, over all threads of the proxy. */
  get value(): u64 {
    return this.read();
  }
}

/** A number that goes up and down. */
// @ts-ignore: decorator
@final
export class Gauge extends Metric {
  constructor(name: string) {
    super(1, name);
  }

  set(value: u64): bool {
    return this.write(value);
  }

  /** Adds to it, or takes away. The proxy does not stop at 0: it wraps around. */
  change(by: i64): bool {
    return this.add(by);
  }

  /** Its value, over all threads of the proxy. */
  get value(): u64 {
    return this.read();
  }
}

/** Many measurements, of which the proxy keeps the distribution. */
// @ts-ignore: decorator
@final
export class Histogram extends Metric {
  constructor(name: string) {
    super(2, name);
  }

  record(value: u64): bool {
    return this.write(value);
  }
}
