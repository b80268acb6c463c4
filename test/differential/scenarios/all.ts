import type { Scenario } from "../scenario.ts";
import { bodyScenarios } from "./bodies.ts";
import { calloutScenarios } from "./callouts.ts";
import { chainScenarios } from "./chains.ts";
import { headerScenarios } from "./headers.ts";
import { languageScenarios } from "./languages.ts";
import { lifecycleScenarios } from "./lifecycle.ts";
import { propertyScenarios } from "./properties.ts";
import { replyScenarios } from "./replies.ts";
import { serviceScenarios } from "./services.ts";
import { tcpScenarios } from "./tcp.ts";

/** Every scenario, by subject. */
export const subjects: Readonly<Record<string, readonly Scenario[]>> = {
  headers: headerScenarios,
  bodies: bodyScenarios,
  replies: replyScenarios,
  callouts: calloutScenarios,
  properties: propertyScenarios,
  services: serviceScenarios,
  lifecycle: lifecycleScenarios,
  chains: chainScenarios,
  tcp: tcpScenarios,
  languages: languageScenarios,
};
