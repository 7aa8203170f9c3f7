// Keeps EK and SRK in the TPM, as the factory step does, and enrolls its EK under several registration IDs.
// usage: enroll TCTI EMULATOR REGISTRATION_ID…
import { openTpm } from '../../src/agent/tpm';
import { dpsService } from '../../test/support/azure-client';
import { addressesOf } from './on-demand';

async function main(): Promise<void> {
  const [tcti = '', line = '', ...ids] = process.argv.slice(2);
  const emulator = addressesOf(line);
  const tpm = await openTpm({ tcti });
  await tpm.persistPrimaries();
  const ek = await tpm.endorsementKey();
  const attestation = { type: 'tpm', tpm: { endorsementKey: ek.public.toString('base64') } };
  for (const registrationId of ids) {
    const answer = await dpsService(emulator, 'PUT', `/enrollments/${registrationId}`, {
      registrationId,
      attestation,
    });
    if (answer.status !== 200) throw new Error(`enrolling: ${JSON.stringify(answer)}`);
  }
  await tpm.close();
}

void main();
