import { manual as agentctlManual } from '../../src/agentctl/manual';
import { buildProgram as agentctl } from '../../src/agentctl/program';
import { manualPage } from '../../src/common/manual';
import { buildProgram as emulator } from '../../src/emulator/command-line';
import { manual as emulatorManual } from '../../src/emulator/manual';
import { manual as provisionManual } from '../../src/provision/cli/manual';
import { buildProgram as provision } from '../../src/provision/cli/program';

/** File name in docs/man → page, for every program whose command line is a value. */
export function manualPages(): Record<string, string> {
  const nowhere = { write: () => true };
  const utility = provision({
    out: nowhere,
    err: nowhere,
    signal: new AbortController().signal,
    exit: () => undefined,
  });
  return {
    'tpe-agentctl.8': manualPage(agentctl(), agentctlManual),
    'tpe-provision.1': manualPage(utility, provisionManual),
    'tpe-cloud-emulator.1': manualPage(emulator(), emulatorManual),
  };
}
