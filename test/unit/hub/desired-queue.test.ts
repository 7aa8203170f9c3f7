import type { Acknowledgement } from '../../../src/agent/hub/desired';
import { DesiredQueue } from '../../../src/agent/hub/desired-queue';
import type { ApiCall } from '../../../src/agent/hub/direct-methods';
import { createLogger } from '../../../src/common/logger';
import { settle } from '../../support/simulated-cloud';

function make() {
  const calls: string[] = [];
  const waiting: (() => void)[] = [];
  const applied: Acknowledgement[] = [];
  const invalid: string[] = [];
  const queue = new DesiredQueue({
    logger: createLogger('test', 'silent'),
    callApi: async ({ path, body }: ApiCall) => {
      calls.push(body === undefined ? path : `${path} ${JSON.stringify(body)}`);
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { status: 200, payload: {} };
    },
    onApplied: (acknowledgement) => void applied.push(acknowledgement),
    onInvalid: ({ code }) => void invalid.push(code),
  });
  /** Lets calls be answered until none is waiting. */
  const answerAll = async (): Promise<void> => {
    await settle();
    while (waiting.length > 0) {
      waiting.shift()?.();
      await settle();
    }
  };
  return { queue, calls, applied, invalid, answerAll, waiting };
}

const ntp = (enable: boolean) => ({ services: { ntp: { enable } } });

test('a newer patch never overtakes an older one: the last word on a service counts', async () => {
  const { queue, calls, applied, answerAll } = make();
  queue.take('hub-a', { $version: 2, ...ntp(true) }, true);
  queue.take('hub-a', { $version: 3, ...ntp(false) }, false);
  queue.take('hub-a', { $version: 4, services: { sshserver: { enable: true } } }, false);
  queue.take('hub-a', { $version: 5, discovery: { enable: false } }, false);
  await settle();
  expect(calls).toEqual(['/system/services/ntp/enable']);
  await answerAll();
  expect(calls.slice(1)).toEqual([
    '/system/services/ntp/disable',
    '/system/services/sshserver/enable',
    '/system/discovery {"enable":false}',
  ]);
  expect(applied.map(({ version }) => version)).toEqual([2, 5]);
});

test('what comes again with a new connection is not applied again; a missed change is', async () => {
  const { queue, calls, answerAll } = make();
  queue.take('hub-a', { $version: 2, ...ntp(true) }, true);
  await answerAll();
  queue.take('hub-a', { $version: 2, ...ntp(true) }, true);
  await answerAll();
  expect(calls).toHaveLength(1);
  queue.take('hub-a', { $version: 4, ...ntp(false) }, true);
  await answerAll();
  expect(calls.at(-1)).toBe('/system/services/ntp/disable');
  queue.take('hub-a', { $version: 3, ...ntp(true) }, false);
  await answerAll();
  expect(calls).toHaveLength(2);
});

test('the twin of another hub, or of an identity that was made anew, counts its versions anew', async () => {
  const { queue, applied, answerAll } = make();
  queue.take('hub-a', { $version: 9, ...ntp(true) }, true);
  await answerAll();
  queue.take('hub-b', { $version: 1, ...ntp(false) }, true);
  await answerAll();
  queue.take('hub-b', { $version: 2, ...ntp(true) }, false);
  await answerAll();
  queue.take('hub-b', { $version: 1, ...ntp(true) }, true);
  await answerAll();
  expect(applied.map(({ version }) => version)).toEqual([9, 1, 2, 1]);
});

test('thousands of patches in a row wait as one', async () => {
  const { queue, calls, applied, answerAll } = make();
  for (let version = 1; version <= 5000; version += 1) {
    queue.take('hub-a', { $version: version, services: { [`s${version}`]: { enable: true } } }, false);
  }
  await answerAll();
  expect(calls).toHaveLength(1 + 64);
  expect(applied.at(-1)?.version).toBe(5000);
});

test.each([undefined, null, 'x', [], {}, { services: {} }, { $version: 'two' }, { $version: -1 }])(
  'desired properties without a version are told and left alone: %j',
  async (patch) => {
    const { queue, calls, invalid, answerAll } = make();
    queue.take('hub-a', patch, false);
    await answerAll();
    expect(calls).toEqual([]);
    expect(invalid).toEqual(['HUB_PACKET_INVALID']);
  },
);
