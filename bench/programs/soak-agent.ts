// The agent with a clock that the bench moves. Answers "ports", "pass MILLISECONDS" and "held".
// usage: node --expose-gc soak-agent CONFIG
import * as v8 from 'node:v8';
import { loadSettings } from '../../src/agent/config/settings';
import { startDaemon } from '../../src/agent/daemon';
import { ServiceManager } from '../../src/agent/system/notify';
import { createLogger } from '../../src/common/logger';
import { DrivenClock } from '../../test/support/driven-clock';
import { onDemand } from './on-demand';

/** Since Node 20.13; collects garbage, then counts. Its types know it from 22 on only. */
const heap = v8 as unknown as {
  queryObjects(constructor: unknown, options: { format: 'count' }): number;
};

function held(clock: DrivenClock): object {
  globalThis.gc?.();
  return {
    objects: heap.queryObjects(Object, { format: 'count' }),
    heapMiB: process.memoryUsage().heapUsed / 2 ** 20,
    timers: clock.timers + process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
  };
}

async function main(): Promise<void> {
  const settings = await loadSettings(process.argv[2] ?? '');
  const clock = new DrivenClock(Date.now());
  // As much is logged as in the field; only nobody reads it.
  const logger = createLogger('tpe-agent', settings.log.level, { write: () => undefined });
  const daemon = await startDaemon({
    settings,
    logger,
    serviceManager: new ServiceManager(logger),
    onRestart: () => undefined,
    clock,
  });
  const { apiPort, discoveryPort } = daemon;
  await onDemand(async (line) => {
    const [what, ms] = line.split(' ');
    if (what === 'ports') return { apiPort, discoveryPort };
    if (what === 'pass') await clock.pass(Number(ms));
    return held(clock);
  });
  await daemon.stop();
  process.exit(0);
}

void main();
