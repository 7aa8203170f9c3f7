import type { FaultAction } from '../faults/faults';

/** The blob as a fault wants it: one bit of one of the six sized fields flipped, or cut; otherwise as it is. */
export function corruptBlob(blob: Buffer, fault: FaultAction | undefined): Buffer {
  if (fault?.type === 'cutBlob') return blob.subarray(0, fault.bytes);
  if (fault?.type !== 'corruptBlob') return blob;
  const spoiled = Buffer.from(blob);
  let offset = 0;
  for (let field = 1; field < fault.field; field += 1) offset += 2 + spoiled.readUInt16BE(offset);
  const last = offset + 1 + spoiled.readUInt16BE(offset);
  spoiled.writeUInt8(spoiled.readUInt8(last) ^ 1, last);
  return spoiled;
}
