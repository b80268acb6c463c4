import { utf8ByteString } from "../../host/byte-string.ts";
import type { CaseWorld } from "./case-world.ts";
import type { Step } from "./model.ts";
import type { Place } from "./shape.ts";
import { contentBytes, nanoseconds } from "./values.ts";

/** Does what a step without a request asks for. */
export function doStep(world: CaseWorld, step: Step, at: Place): void {
  const { session, readBytes } = world;
  if (step.advance !== undefined) session.advance(nanoseconds(step.advance));
  if (step.tick !== undefined && step.tick !== false) tick(world, step.tick, at);
  if (step.share !== undefined) {
    for (const [key, value] of Object.entries(step.share)) {
      session.host.sharedData.seed(world.vmId, key, contentBytes(value, readBytes));
    }
  }
  if (step.enqueue !== undefined) {
    const { queue, message, vmId = world.vmId } = step.enqueue;
    const { sharedQueues } = session.host;
    const id = sharedQueues.resolve(vmId, utf8ByteString(queue));
    if (id === undefined) world.checks.fail([...at, "enqueue"], `no filter has registered the queue ${queue}`);
    else sharedQueues.enqueue(id, contentBytes(message, readBytes));
  }
  if (step.foreign !== undefined) {
    const { id, arguments: given } = step.foreign;
    session.plugins[0]?.callForeignFunction(
      id,
      given === undefined ? new Uint8Array(0) : contentBytes(given, readBytes),
    );
  }
  session.settle();
}

function tick(world: CaseWorld, wanted: boolean | string, at: Place): void {
  const { plugins } = world.session;
  const plugin = wanted === true ? plugins[0] : plugins.find(({ name }) => name === wanted);
  if (plugin !== undefined) return plugin.tick();
  const names = plugins.map(({ name }) => name).join(", ");
  world.checks.fail([...at, "tick"], `there is no filter ${String(wanted)}; there is ${names}`);
}
