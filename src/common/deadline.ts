/**
 * The promise's value, or that of `late` when it has none after so long. The promise itself goes on; what it rejects
 * with after the deadline is nobody's.
 */
export async function withDeadline<T, L>(promise: Promise<T>, ms: number, late: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, ms, 'late' as const)));
  try {
    const first = await Promise.race([promise.then((value) => ({ value })), deadline]);
    if (first !== 'late') return first.value;
    promise.catch(() => undefined);
    return late();
  } finally {
    clearTimeout(timer);
  }
}
