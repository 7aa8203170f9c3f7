import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomic } from '../../../common/fs/atomic-write';
import type { AnswerOf, NtpSettings } from '../helper-protocol';
import type { Runner } from './runner';

const HEADER = '# Written by tpe-agent; changes by hand are lost.';
const TIMESYNCD_FILE = '/etc/systemd/timesyncd.conf.d/50-tpe-agent.conf';
const DEFAULT_INTERVAL_SEC = 2048;

/** Clock, time zone and synchronisation through systemd-timedated and systemd-timesyncd. */
export class Time {
  readonly #run: Runner;
  readonly #file: string;

  constructor(run: Runner, file = TIMESYNCD_FILE) {
    this.#run = run;
    this.#file = file;
  }

  async get(): Promise<AnswerOf<'getTime'>> {
    const text = await this.#run('timedatectl', ['show', '--property=Timezone,NTP,NTPSynchronized']);
    const facts = new Map(text.split('\n').map((line) => line.split('=', 2) as [string, string]));
    const own = await readFile(this.#file, 'utf8').catch(() => '');
    const interval = Number(/^PollIntervalMaxSec=(\d+)$/m.exec(own)?.[1] ?? DEFAULT_INTERVAL_SEC);
    return {
      timezone: facts.get('Timezone') ?? 'Etc/UTC',
      synchronized: facts.get('NTPSynchronized') === 'yes',
      ntp: {
        enable: facts.get('NTP') === 'yes',
        source: 'timeserver',
        server: /^NTP=(.*)$/m.exec(own)?.[1] ?? '',
        interval,
      },
    };
  }

  /** timedated refuses while the clock is synchronised, and says so. */
  async set(time: string): Promise<void> {
    await this.#run('timedatectl', ['set-time', `${time.slice(0, 10)} ${time.slice(11, 19)} UTC`]);
  }

  async setZone(timezone: string): Promise<void> {
    await this.#run('timedatectl', ['set-timezone', timezone]);
  }

  async setNtp({ enable, server, interval }: NtpSettings): Promise<void> {
    const lines = [
      HEADER,
      '[Time]',
      ...(server === '' ? [] : [`NTP=${server}`]),
      `PollIntervalMaxSec=${interval}`,
    ];
    await mkdir(dirname(this.#file), { recursive: true });
    await writeFileAtomic(this.#file, `${lines.join('\n')}\n`, 0o644);
    await this.#run('timedatectl', ['set-ntp', String(enable)]);
    if (enable) await this.#run('systemctl', ['try-restart', 'systemd-timesyncd.service']);
  }
}
