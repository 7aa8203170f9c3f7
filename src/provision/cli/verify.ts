import type { Command } from 'commander';
import { type CheckResult, checksOf } from '../inspect/checks';
import { cell } from '../report/columns';
import {
  type Flags,
  commonFlags,
  discoveryFlags,
  dpsFlags,
  fromFlag,
  gatewayFlags,
  hubFlags,
  jobOf,
  journalFlags,
  scopeFlag,
} from './flags';
import { inspectAll } from './inspection';
import type { Streams } from './streams';

const MARK: Record<CheckResult['result'], string> = { ok: 'ok     ', failed: 'FAILED ', skipped: 'skipped' };

async function verify(flags: Flags, streams: Streams): Promise<number> {
  const file = await jobOf(flags);
  const inspections = await inspectAll(flags, streams);
  let failed = 0;
  for (const inspection of inspections) {
    const { gateway } = inspection;
    const checks = checksOf(inspection, flags.idScope ?? file.dps?.idScope);
    const good = checks.every(({ result }) => result !== 'failed');
    if (!good) failed += 1;
    if (flags.json === true) {
      streams.out.write(`${JSON.stringify({ gateway, result: good ? 'passed' : 'failed', checks })}\n`);
      continue;
    }
    streams.out.write(`${gateway.serialNumber} at ${gateway.address}: ${good ? 'passed' : 'FAILED'}\n`);
    for (const { check, result, detail } of checks) {
      streams.out.write(`  ${MARK[result]} ${check}: ${cell(detail, 200)}\n`);
    }
  }
  if (flags.json !== true) {
    streams.out.write(`${inspections.length - failed} of ${inspections.length} passed\n`);
  }
  return failed === 0 ? 0 : 1;
}

export function addVerify(program: Command, streams: Streams): void {
  const command = program.command('verify').description('acceptance test of a provisioned plant');
  for (const add of [
    commonFlags,
    discoveryFlags,
    gatewayFlags,
    fromFlag,
    dpsFlags,
    hubFlags,
    journalFlags,
    scopeFlag,
  ])
    add(command);
  command.action(async (flags: Flags) => streams.exit(await verify(flags, streams)));
}
