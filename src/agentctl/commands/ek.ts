import { ekReport } from '../../agent/local/facts';
import { EkReport } from '../../agent/local/reports';
import { columns, print } from '../output';
import { type Session, ask } from '../session';

export async function ek(session: Session): Promise<number> {
  const { value } = await ask(session, EkReport, 'ek', {}, ekReport);
  print(session, value, () =>
    columns([
      ['registration ID', value.registrationId],
      ['endorsement key', value.endorsementKey],
      ['name', value.name],
      ['persistent', value.persistent ? 'yes, at 0x81010001' : 'no'],
      ['certificate', value.certificate ?? 'none'],
    ]),
  );
  return 0;
}
