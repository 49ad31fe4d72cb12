// Measurements as the page shows and saves them.

const UNITS = { px: 'px', um: 'µm', mm: 'mm', mm2: 'mm²', count: '', ratio: '' };
const DIGITS = 6; // significant, in a table that is saved

/** A name such as `calibre_mean_um` or `length_density_per_mm` as words and a unit. */
function describeName(name) {
  const parts = name.split('_'), at = parts.findLastIndex(part => part in UNITS);
  if (at < 0) return { words: parts.join(' '), unit: '' };
  const unit = UNITS[parts[at]], isInverse = parts[at - 1] === 'per';
  const words = [...parts.slice(0, isInverse ? at - 1 : at), ...parts.slice(at + 1)].join(' ');
  return { words, unit: isInverse ? `per ${unit}` : unit };
}

function formatNumber(value) {
  if (value === null) return '–';
  return Math.abs(value) >= 10_000 ? String(Math.round(value)) : String(Number(value.toPrecision(4)));
}

/** What the table on the page shows, row by row: words, value with unit, range. */
export function describeMeasurements(values) {
  return Object.entries(values).map(([name, { value, low, high }]) => {
    const { words, unit } = describeName(name);
    const range = low === null || high === null ? '' : `${formatNumber(low)} to ${formatNumber(high)}`;
    return [words, `${formatNumber(value)} ${unit}`.trim(), range];
  });
}

/** The size of a pixel in words. */
export function describePixelSize(pixelUm) {
  if (!pixelUm) return 'The size of a pixel is not known, so lengths are in pixels.';
  const [height, width] = pixelUm.map(formatNumber);
  return height === width ? `A pixel is ${height} µm wide.` : `A pixel is ${height} µm high and ${width} µm wide.`;
}

/** The columns of measurements in a table that is saved, as `cenet predict --measure` names them. */
function columnsOf(values) {
  const columns = {};
  for (const [name, { value, low, high }] of Object.entries(values)) {
    columns[name] = value;
    if (low !== null) columns[`${name}_min_over_thresholds`] = low;
    if (high !== null) columns[`${name}_max_over_thresholds`] = high;
  }
  return columns;
}

/** A cell of a CSV file; a leading sign would make a spreadsheet compute a text. */
function formatCell(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(DIGITS)));
  const text = value.replace(/^([=+\-@\t\r])/, "'$1");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A table with one row an image, with the columns of all rows in the order in which they first come. */
export function formatCsv(rows) {
  const all = rows.map(({ values, ...row }) => ({ ...row, ...columnsOf(values) }));
  const columns = [...new Set(all.flatMap(row => Object.keys(row)))];
  return [columns, ...all.map(row => columns.map(name => row[name]))].map(row => row.map(formatCell).join(',')).join('\r\n') + '\r\n';
}
