import { readdirSync } from 'node:fs';
import * as v8 from 'node:v8';
import { runInThisContext } from 'node:vm';

/** Since Node 20.13; collects garbage, then counts. Its types know it from 22 on only. */
const { queryObjects } = v8 as unknown as {
  queryObjects(constructor: unknown, options: { format: 'count' }): number;
};

/** What the process holds, agent and hub together. Objects are counted, because the heap also grows by compiled code. */
export function held() {
  const active = process.getActiveResourcesInfo();
  return {
    // Jest has an Object of its own beside that of Node.js.
    objects: [Object, runInThisContext('Object')]
      .map((constructor) => queryObjects(constructor, { format: 'count' }))
      .reduce((sum, count) => sum + count),
    heap: process.memoryUsage().heapUsed,
    timers: active.filter((name) => name === 'Timeout').length,
    sockets: active.filter((name) => /TCP|TLS/.test(name)).length,
    descriptors: readdirSync('/proc/self/fd').length,
  };
}
