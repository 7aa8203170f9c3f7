import { Gateway } from '../support/gateway';
import { type Plant, withPlant } from '../support/plant';
import { expectNothingLeft, withTpm } from '../support/tpm-fixture';
import { type TpmProxy, startTpmProxy } from '../support/tpm-proxy';
import { waitFor } from '../support/wait';

const ID = 'taicb1046771';
/** Random moments besides the steps; the long form takes 200. */
const RANDOM_MOMENTS = Number(process.env['TPE_CRASH_MOMENTS'] ?? 2);
/** Takes every n-th step in the short form, all of them in the long one. */
const EVERY = process.env['TPE_CRASH_MOMENTS'] === undefined ? 8 : 1;

interface Rig {
  readonly plant: Plant;
  readonly proxy: TpmProxy;
  /** An agent on the device's state that registers again as soon as it starts. */
  registering(): Gateway;
  /** An agent on the same state that uses what is committed. */
  ordinary(): Gateway;
}

async function withRegisteredDevice(body: (rig: Rig) => Promise<void>): Promise<void> {
  await withPlant(async (plant) => {
    const { gateway, tpm } = await plant.addGateway();
    expect((await plant.provision()).code).toBe(0);
    await gateway.stop();
    const proxy = await startTpmProxy(tpm);
    const another = (more: string): Gateway => {
      const next = new Gateway({ ...gateway.options, tcti: proxy.tcti, more });
      plant.gateways.push(next);
      return next;
    };
    try {
      await body({
        plant,
        proxy,
        registering: () => another('reprovision = "alwaysOnStartup"'),
        ordinary: () => another('reprovision = "dynamic"'),
      });
    } finally {
      await Promise.all(plant.gateways.map(async (each) => await each.stop()));
      await proxy.stop();
    }
    await withTpm(tpm, async (opened) => await opened.info());
    await expectNothingLeft(tpm);
  });
}

async function hubSessions(plant: Plant): Promise<number> {
  return (await plant.counters(ID))['hubConnects'] ?? 0;
}

/** Starts an agent that registers again and kills it when `due` says so; without `due` it runs until it is connected. */
async function registerAndKill(
  { proxy, plant, registering }: Rig,
  due: (commands: number, msSinceStart: number) => boolean,
): Promise<number> {
  const gateway = registering();
  const before = await plant.counters(ID);
  let commands = 0;
  const startedAt = performance.now();
  proxy.onCommand = () => {
    commands += 1;
    if (due(commands, performance.now() - startedAt)) gateway.process?.kill('SIGKILL');
    return undefined;
  };
  // An agent that is killed before it is ready never says so.
  const started = gateway.start().catch(() => undefined);
  const poll = setInterval(() => {
    if (due(commands, performance.now() - startedAt)) gateway.process?.kill('SIGKILL');
  }, 1);
  await waitFor('the agent to be connected again, or killed', async () => {
    if (gateway.process?.running === false) return true;
    return ((await plant.counters(ID))['hubConnects'] ?? 0) > (before['hubConnects'] ?? 0);
  });
  clearInterval(poll);
  proxy.onCommand = () => undefined;
  await started;
  await gateway.stop();
  return commands;
}

/** An ordinary agent gets connected on what the killed one left, with nobody's help. */
async function expectConnects({ plant, ordinary }: Rig): Promise<void> {
  const before = await hubSessions(plant);
  const gateway = ordinary();
  await gateway.start();
  await waitFor('the device to be connected', async () => (await hubSessions(plant)) > before, 60_000);
  await gateway.stop();
}

test('kill -9 at any TPM command or moment of a registration leaves a device that connects by itself', async () => {
  await withRegisteredDevice(async (rig) => {
    const begun = performance.now();
    const steps = await registerAndKill(rig, () => false);
    const wholeMs = performance.now() - begun;
    expect(steps).toBeGreaterThan(20);
    for (let step = 1; step <= steps; step += EVERY) {
      // Every other time DPS has given the device another key meanwhile, so that the old one is worth nothing.
      if (step % (2 * EVERY) === 1) await rig.plant.admin('POST', `/devices/${ID}/new-key`);
      await registerAndKill(rig, (commands) => commands >= step);
      await expectConnects(rig);
    }
    for (let i = 0; i < RANDOM_MOMENTS; i++) {
      const moment = Math.random() * wholeMs;
      await registerAndKill(rig, (_commands, ms) => ms >= moment);
      await expectConnects(rig);
    }
  });
}, 3_600_000);
