import type { BodyBuffer } from "../body-buffer.ts";
import { StreamType } from "../enums.ts";
import type { HeaderMap } from "../header-map.ts";
import type { KernelContext } from "../host-calls/kernel-scope.ts";
import type { LocalReply } from "../http-filter.ts";
import type { PluginConfig } from "../plugin-config.ts";
import { Status } from "../status.ts";
import type { StreamInfo } from "../stream-info.ts";

/** What every context is at least; by itself the one a guest is in while it starts and allocates, with the id 0. */
export class BaseContext implements KernelContext {
  readonly id: number;
  readonly plugin: PluginConfig;
  readonly root: KernelContext;
  readonly isRoot: boolean;
  logging = false;
  configuring = false;

  constructor(id: number, plugin: PluginConfig, root: KernelContext | undefined) {
    this.id = id;
    this.plugin = plugin;
    this.root = root ?? this;
    this.isRoot = root === undefined;
  }

  get stream(): StreamInfo | undefined {
    return undefined;
  }

  get requestMapGone(): boolean {
    return false;
  }

  map(_type: number): HeaderMap | undefined {
    return undefined;
  }

  mutableMap(_type: number): HeaderMap | undefined {
    return undefined;
  }

  buffer(_type: number): BodyBuffer | undefined {
    return undefined;
  }

  /** Without a stream behind it everything is fine, and nothing happens. */
  continueStream(type: number): Status {
    return type === StreamType.upstream ? Status.unimplemented : Status.ok;
  }

  closeStream(_type: number): Status {
    return Status.ok;
  }

  sendLocalResponse(_reply: LocalReply): void {}

  clearRouteCache(): void {}

  bodyChanged(_type: number): void {}

  done(): Status {
    return this.isRoot ? Status.notFound : this.root.done();
  }
}
