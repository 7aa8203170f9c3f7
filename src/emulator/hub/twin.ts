import { refusal } from '../dps/refusal';
import type { JsonObject, Twin } from './device-record';

/** IoT Hub's limits on twins. */
const LARGEST_SECTION_BYTES = 32 * 1024;
const DEEPEST_LEVEL = 10;
const LONGEST_STRING_BYTES = 4096;
const LONGEST_KEY_BYTES = 1024;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Checks a patch against IoT Hub's rules: keys without control characters, '.', '$' and space; values of the JSON
 * types; depth, string and size limits.
 * @throws EMU_REFUSED 400
 */
export function checkPatch(patch: JsonObject, level = 1): void {
  if (level > DEEPEST_LEVEL)
    throw refusal('badRequest', `The twin is nested deeper than ${DEEPEST_LEVEL} levels.`);
  for (const [key, value] of Object.entries(patch)) {
    if (key === '' || /[\p{Cc}.$ ]/u.test(key) || Buffer.byteLength(key) > LONGEST_KEY_BYTES) {
      throw refusal(
        'badRequest',
        `The twin property name ${JSON.stringify(key.slice(0, 80))} is not allowed.`,
      );
    }
    if (typeof value === 'string' && Buffer.byteLength(value) > LONGEST_STRING_BYTES) {
      throw refusal('badRequest', `The twin property ${key} is longer than ${LONGEST_STRING_BYTES} bytes.`);
    }
    if (isObject(value)) checkPatch(value, level + 1);
    else if (Array.isArray(value)) value.filter(isObject).forEach((item) => checkPatch(item, level + 1));
  }
}

/** RFC 7396 merge: null removes, objects merge, everything else replaces. */
export function merge(target: JsonObject, patch: JsonObject): JsonObject {
  // Entries, not assignment: a key "__proto__" must stay a plain property.
  const result = new Map(Object.entries(target));
  for (const [key, value] of Object.entries(patch)) {
    const before = result.get(key);
    if (value === null) result.delete(key);
    else if (isObject(value)) result.set(key, merge(isObject(before) ? before : {}, value));
    else result.set(key, value);
  }
  return Object.fromEntries(result);
}

export function checkSize(section: JsonObject): void {
  if (Buffer.byteLength(JSON.stringify(section)) > LARGEST_SECTION_BYTES) {
    throw refusal('badRequest', `The twin section is larger than ${LARGEST_SECTION_BYTES} bytes.`);
  }
}

/** A twin as enrollments and new devices start with. */
export function newTwin(initial: { tags?: JsonObject; desired?: JsonObject } = {}): Twin {
  const [tags, desired] = [initial.tags ?? {}, initial.desired ?? {}];
  return { tags, desired, desiredVersion: 1, reported: {}, reportedVersion: 1, version: 1 };
}

/** What a device reads: desired and reported with their versions. */
export function deviceView(twin: Twin): JsonObject {
  return {
    desired: { ...twin.desired, $version: twin.desiredVersion },
    reported: { ...twin.reported, $version: twin.reportedVersion },
  };
}

/** @throws EMU_REFUSED 400 when the patch is not allowed. */
export function patchReported(twin: Twin, patch: JsonObject): Twin {
  checkPatch(patch);
  const reported = merge(twin.reported, patch);
  checkSize(reported);
  return { ...twin, reported, reportedVersion: twin.reportedVersion + 1, version: twin.version + 1 };
}

/** @throws EMU_REFUSED 400 when the patch is not allowed. */
export function patchDesired(twin: Twin, patch: JsonObject, replace = false): Twin {
  checkPatch(patch);
  const desired = merge(replace ? {} : twin.desired, patch);
  checkSize(desired);
  return { ...twin, desired, desiredVersion: twin.desiredVersion + 1, version: twin.version + 1 };
}

/** @throws EMU_REFUSED 400 when the patch is not allowed. */
export function patchTags(twin: Twin, patch: JsonObject, replace = false): Twin {
  checkPatch(patch);
  const tags = merge(replace ? {} : twin.tags, patch);
  checkSize(tags);
  return { ...twin, tags, version: twin.version + 1 };
}
