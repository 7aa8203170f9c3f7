import { type ScryptOptions, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { FairQueue, type Share } from './fair-queue';

/** Cost of scrypt (RFC 7914): 2^logN × r × 128 bytes of memory, p times. */
export interface HashCost {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

/** OWASP's smallest-memory setting, 16 MB: two at once must not hurt a gateway of 512 MB. */
export const DEFAULT_COST: HashCost = { logN: 14, r: 8, p: 5 };

const KEY_BYTES = 32;
const SALT_BYTES = 16;
/** PHC string format, e.g. `$scrypt$ln=14,r=8,p=5$…$…`. */
const FORMAT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/;

/** Pattern of a stored hash, for the schema of the accounts file. */
export const HASH_PATTERN = FORMAT.source;

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

function encode({ logN, r, p }: HashCost, salt: Buffer, key: Buffer): string {
  return `$scrypt$ln=${logN},r=${r},p=${p}$${unpadded(salt)}$${unpadded(key)}`;
}

async function derive(password: string, salt: Buffer, { logN, r, p }: HashCost): Promise<Buffer> {
  const options: ScryptOptions = { N: 2 ** logN, r, p, maxmem: 2 ** logN * r * 128 + 32 * 1024 * 1024 };
  return new Promise((resolve, reject) => {
    // NFKC, so that a password typed on another keyboard layout or system gives the same bytes (RFC 8265).
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

/** Of those who are logged in and set passwords, and of the agent itself: before most who only want to log in. */
const OWN: Share = { owner: '', cost: 0.1 };

/**
 * Hashes passwords on libuv's pool, one at a time, with a bounded number waiting: a storm of logins costs at most one
 * core and 16 MB, and the event loop stays free. Turns are shared fairly, so that a storm can be overtaken.
 */
export class PasswordHasher {
  readonly #cost: HashCost;
  readonly #queue: FairQueue;
  /** Checked for names that do not exist, so that the answer takes as long as for those that do. */
  readonly #decoy: string;

  constructor(cost: HashCost = DEFAULT_COST, longestQueue = 32) {
    this.#cost = cost;
    this.#queue = new FairQueue(longestQueue);
    this.#decoy = encode(cost, randomBytes(SALT_BYTES), randomBytes(KEY_BYTES));
  }

  /** @throws API_BUSY when too many with a smaller share wait. */
  async hash(password: string, share = OWN): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const key = await this.#queue.run(() => derive(password, salt, this.#cost), share);
    return encode(this.#cost, salt, key);
  }

  /**
   * True when the password fits the stored hash. Without a hash the same work is done and the answer is false.
   * @throws API_BUSY when too many with a smaller share wait.
   */
  async verify(password: string, stored: string | undefined, share = OWN): Promise<boolean> {
    const parts = FORMAT.exec(stored ?? this.#decoy);
    if (parts === null) return false;
    const [, logN, r, p, salt, key] = parts;
    const expected = Buffer.from(key ?? '', 'base64');
    const cost = { logN: Number(logN), r: Number(r), p: Number(p) };
    const actual = await this.#queue.run(
      () => derive(password, Buffer.from(salt ?? '', 'base64'), cost),
      share,
    );
    return timingSafeEqual(actual, expected) && stored !== undefined;
  }
}
