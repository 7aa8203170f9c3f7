import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomic } from '../../../common/fs/atomic-write';
import type { Runner } from './runner';

const SSHD_FILE = '/etc/ssh/sshd_config.d/50-tpe-agent.conf';

/** The port of the SSH server, in a file of our own that sshd includes. */
export class Ssh {
  readonly #run: Runner;
  readonly #file: string;

  constructor(run: Runner, file = SSHD_FILE) {
    this.#run = run;
    this.#file = file;
  }

  async port(): Promise<number> {
    const own = await readFile(this.#file, 'utf8').catch(() => '');
    return Number(/^Port (\d+)$/m.exec(own)?.[1] ?? 22);
  }

  /** sshd judges the configuration before it is told to take it over; what it refuses is taken back. */
  async setPort(port: number): Promise<void> {
    const before = await readFile(this.#file, 'utf8').catch(() => undefined);
    await mkdir(dirname(this.#file), { recursive: true });
    await writeFileAtomic(
      this.#file,
      `# Written by tpe-agent; changes by hand are lost.\nPort ${port}\n`,
      0o644,
    );
    try {
      await this.#run('sshd', ['-t']);
    } catch (error) {
      if (before === undefined) await rm(this.#file, { force: true });
      else await writeFileAtomic(this.#file, before, 0o644);
      throw error;
    }
    await this.#run('systemctl', ['try-reload-or-restart', 'ssh.service']);
  }
}
