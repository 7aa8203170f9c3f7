import type { Command } from 'commander';
import type { Inspection } from '../inspect/views';
import { textTable } from '../report/columns';
import {
  type Flags,
  commonFlags,
  discoveryFlags,
  dpsFlags,
  fromFlag,
  gatewayFlags,
  hubFlags,
  journalFlags,
} from './flags';
import { inspectAll } from './inspection';
import type { Streams } from './streams';

const HEADER = [
  'IP',
  'Serial No.',
  'Registration ID',
  'Gateway says',
  'Its hub',
  'DPS says',
  "DPS's hub",
  'Hub says',
  'Disagreements',
];

function row({
  gateway,
  device,
  registrationId,
  enrollment,
  hub,
  failure,
  disagreements,
}: Inspection): string[] {
  const dps = enrollment === undefined ? '' : enrollment === null ? 'no enrollment' : 'enrolled';
  return [
    gateway.address,
    gateway.serialNumber,
    registrationId ?? '',
    device?.status.state ?? failure?.code ?? '',
    device?.status.assignedHub ?? '',
    enrollment?.registrationState?.status ?? dps,
    enrollment?.registrationState?.assignedHub ?? '',
    hub === null ? 'not known' : (hub?.connectionState ?? ''),
    String(disagreements.length),
  ];
}

async function status(flags: Flags, streams: Streams): Promise<number> {
  const inspections = await inspectAll(flags, streams);
  if (flags.json === true) {
    for (const inspection of inspections) streams.out.write(`${JSON.stringify(inspection)}\n`);
  } else {
    streams.out.write(`${textTable(HEADER, inspections.map(row))}\n`);
    for (const { gateway, disagreements, failure } of inspections) {
      for (const sentence of disagreements) streams.out.write(`${gateway.serialNumber}: ${sentence}\n`);
      if (failure !== undefined) {
        streams.out.write(`${gateway.serialNumber}: ${failure.message}\n  what to do: ${failure.advice}\n`);
      }
    }
  }
  return inspections.some(({ failure }) => failure !== undefined) ? 1 : 0;
}

export function addStatus(program: Command, streams: Streams): void {
  const command = program
    .command('status')
    .description('what gateways, DPS and hubs say, side by side, and where they disagree');
  for (const add of [commonFlags, discoveryFlags, gatewayFlags, fromFlag, dpsFlags, hubFlags, journalFlags])
    add(command);
  command.action(async (flags: Flags) => streams.exit(await status(flags, streams)));
}
