declare const __TPE_VERSION__: string | undefined;
declare const __TPE_BUILT_AT_MS__: number | undefined;

/** Version of this package; the bundler writes it in. Run from source (tests) it is a development version. */
export const version: string = typeof __TPE_VERSION__ === 'string' ? __TPE_VERSION__ : '0.0.0-dev';

/** When this was built, milliseconds since 1970: no clock that is right can show an earlier time. */
export const builtAtMs: number = typeof __TPE_BUILT_AT_MS__ === 'number' ? __TPE_BUILT_AT_MS__ : 0;
