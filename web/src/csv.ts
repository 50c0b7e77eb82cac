// Rows as CSV (RFC 4180).
/** A cell that a spreadsheet would run as a formula is quoted by an apostrophe. */
export const csv = (rows: (string | number | null | undefined)[][]) => rows.map((row) => row.map((cell) => {
  const text = cell === null || cell === undefined ? '' : String(cell);
  const safe = typeof cell === 'string' && /^[=+\-@\t]/.test(text) ? "'" + text : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}).join(',')).join('\r\n') + '\r\n';
