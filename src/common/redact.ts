/** Patterns of secrets that libraries put into messages: SAS signatures and keys, bearer tokens, JWTs, proxy passwords. */
const patterns: readonly [RegExp, string][] = [
  [/(sig=)[^&;\s"'\\]+/gi, '$1***'],
  [/(SharedAccessKey=)[^;\s"'\\]+/gi, '$1***'],
  [/(Bearer\s+)[\w.~+/=-]+/gi, '$1***'],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, '***'],
  // Up to the last `@` before the path: whoever did not encode one in a password still has it hidden.
  [/(https?:\/\/[^:@/\s"'\\]*:)[^/\s"'\\]*@/gi, '$1***@'],
  [/(SetCredential\w*=[^:\s"]+:)[^"\n]*/g, '$1***'],
];

/** A JSON field whose value is nobody's business, up to the value's opening quote; in JSON inside a JSON string too. */
const SECRET_FIELD =
  /(?<!\\)(\\*)"(?:\w*(?:password|passwordHash|secret|auth)|token|\w*(?:symmetric|policy|primary|secondary|private|access)key|key)\1"\s*:\s*\1"/gi;

/**
 * Where a value ends whose opening quote has `escapes` backslashes (0, 1, 3, 7 … by depth of JSON in JSON): at its own
 * closing quote, or at that of a string around it; at the text's end where neither is.
 */
function endOfValue(text: string, from: number, escapes: number): number {
  let backslashes = 0;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '\\') {
      backslashes += 1;
      continue;
    }
    // A level's closing quote has `own` backslashes, and before them any number of escaped ones.
    for (let own = 0; text[at] === '"' && own <= escapes; own = 2 * own + 1) {
      if (backslashes % (2 * own + 2) === own) return at - own;
    }
    backslashes = 0;
  }
  return text.length;
}

function maskFields(text: string): string {
  let clean = '';
  let done = 0;
  for (const match of text.matchAll(SECRET_FIELD)) {
    const start = match.index + match[0].length;
    if (start < done) continue;
    const end = endOfValue(text, start, match[1]?.length ?? 0);
    clean += text.slice(done, start) + (end > start ? '***' : '');
    done = end;
  }
  return clean + text.slice(done);
}

/**
 * The text with everything that looks like a secret replaced by `***`. For logs, states and error messages.
 * JSON stays JSON, with every field that is no secret untouched.
 */
export function redact(text: string): string {
  return patterns.reduce(
    (clean, [pattern, replacement]) => clean.replace(pattern, replacement),
    maskFields(text),
  );
}
