import type { ManualPage } from '../common/manual';

export const manual: ManualPage = {
  section: 8,
  description: `Asks the running agent through its control socket, which is root's. Where no agent runs it locks the state and works on
it itself, leaving owner and mode as they were.`,
  exitStatus: '0 all well, 1 something failed or a check found a fault, 2 wrong usage.',
  files: `/etc/tpe-agent/config.toml: settings of the agent.
/run/tpe-agent/control.sock: control socket of the running agent.
/var/lib/tpe-agent: state; tpe-agentctl factory reset empties it but for what the factory wrote.`,
  seeAlso: 'tpe-agent(8), tpe-provision(1)',
};
