/** Patterns of secrets that libraries put into messages: SAS signatures and keys, bearer tokens, JWTs. */
const patterns: readonly [RegExp, string][] = [
  [/(sig=)[^&;\s"']+/gi, '$1***'],
  [/(SharedAccessKey=)[^;\s"']+/gi, '$1***'],
  [/(Bearer\s+)[\w.~+/=-]+/gi, '$1***'],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, '***'],
  [/("(?:password|newPassword|oldPassword|token|symmetricKey|policyKey|key)"\s*:\s*")[^"]*/gi, '$1***'],
  [/(https?:\/\/[^:/\s]+:)[^@/\s]+@/gi, '$1***@'],
];

/** The text with everything that looks like a secret replaced by `***`. For logs, states and error messages. */
export function redact(text: string): string {
  return patterns.reduce((clean, [pattern, replacement]) => clean.replace(pattern, replacement), text);
}
