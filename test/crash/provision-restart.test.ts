import { join } from 'node:path';
import { Journal } from '../../src/provision/journal/journal';
import { Plant, NEW_PASSWORD } from '../support/gateway-simulator-plant';
import { Program } from '../support/process';
import { waitFor } from '../support/wait';

let plant: Plant;
beforeAll(async () => {
  plant = await Plant.open();
});
afterEach(() => plant.clear());
afterAll(() => plant.close());

const COUNT = 12;

async function startRun(journal: string, seconds = '1'): Promise<Program> {
  const flags = [
    '--id-scope',
    '0ne00012345',
    '--seconds',
    seconds,
    '--trust-on-first-use',
    '--json',
    '--concurrency',
    '2',
  ];
  const program = new Program('tpe-provision', [
    'run',
    ...plant.targets,
    ...plant.dpsFlags,
    ...plant.secrets,
    ...flags,
    '--journal',
    journal,
  ]);
  await waitFor('the first line', () => program.jsonLines().length > 0);
  return program;
}

test('killed again and again at any step, no gateway is done twice and none is forgotten', async () => {
  for (let n = 0; n < COUNT; n += 1) {
    await plant.gateway({ serialNumber: `TAICB10000${10 + n}`, mac: `0090e80000${10 + n}` });
  }
  const journal = join(plant.folder, 'journal');
  let kills = 0;
  // A prime step, so that the kills fall on other steps every time.
  for (let lines = COUNT + 3; lines < 400; lines += 23) {
    const program = await startRun(journal);
    await waitFor(
      'the moment to kill',
      () => !program.running || program.jsonLines().length >= lines,
      60_000,
    );
    program.kill('SIGKILL');
    const { signal } = await program.exited;
    if (signal !== 'SIGKILL') break;
    kills += 1;
  }
  expect(kills).toBeGreaterThan(3);
  const last = await startRun(journal);
  expect((await last.exited).code).toBe(0);

  for (const gateway of plant.gateways) {
    expect(gateway.password).toBe(NEW_PASSWORD);
    expect(gateway.state).toBe('connected');
    expect(gateway.calls.filter((call) => call === 'PUT /users/me/password')).toHaveLength(1);
    expect(gateway.failedLogins).toBe(0);
  }
  const book = await Journal.open(journal);
  expect([...book.all()].map(({ stage }) => stage)).toEqual(Array<string>(COUNT).fill('connected'));
  await book.close();
  expect(plant.dps.enrollments.size).toBe(COUNT);
}, 240_000);

test('killed after every single step of one gateway, the next run finishes it', async () => {
  const gateway = await plant.gateway({ serialNumber: 'TAICB1046771', slowMs: 150 });
  const journal = join(plant.folder, 'every-step');
  const seen = new Set<string>();
  for (;;) {
    const program = await startRun(journal, '0.2');
    // The first event of a step that no run was killed at yet.
    const fresh = await waitFor(
      'a new step, or the end',
      () =>
        program
          .jsonLines()
          .filter(({ event }) => event === 'step')
          .map(({ step, status }) => `${String(step)} ${String(status)}`)
          .find((name) => !seen.has(name)) ?? (program.running ? undefined : ''),
      60_000,
    );
    program.kill('SIGKILL');
    const { code } = await program.exited;
    if (fresh !== '') seen.add(fresh);
    if (code === 0) break;
  }
  expect(seen.size).toBeGreaterThan(10);
  expect(gateway.state).toBe('connected');
  expect(gateway.password).toBe(NEW_PASSWORD);
  expect(gateway.calls.filter((call) => call === 'PUT /users/me/password')).toHaveLength(1);
  expect(plant.dps.enrollments.size).toBe(1);
}, 240_000);
