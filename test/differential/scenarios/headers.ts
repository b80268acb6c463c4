import type { Scenario } from "../scenario.ts";

/** Header maps: reading, writing, when they are there. */
export const headerScenarios: readonly Scenario[] = [
  {
    name: "request-map",
    filters: [
      {
        script: `
rqh: get 0 :path; get 0 :PATH; get 0 Host; get 0 nope; get 0 x-empty; map_size 0; pairs 0
rqh: add 0 x-a 1; add 0 x-a 2; get 0 x-a; replace 0 x-a 3; remove 0 x-a; remove 0 x-a; pairs 0
rsh: get 0 :path; pairs 0; add 0 a b; remove 0 a; set_pairs 0 {a: b}; map_size 0; get 2 :status; pairs 2
`,
      },
    ],
    requests: [
      {
        headers: [
          ["X-Empty", ""],
          ["X-Upper", "UPPER"],
        ],
      },
    ],
  },
];
