declare const __TPE_VERSION__: string | undefined;

/** Version of this package; the bundler writes it in. Run from source (tests) it is a development version. */
export const version: string = typeof __TPE_VERSION__ === 'string' ? __TPE_VERSION__ : '0.0.0-dev';
