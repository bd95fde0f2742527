/** Numbers as a person reads them. Reports keep the raw values; only text uses these. */

/** `1536` → `1.5 KiB` */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || Math.abs(value) >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `4000000` → `4,000,000` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** Seconds as `0.42 s`, `12.3 s`, `4 min 10 s`, `3 h 5 min`, `2 d 4 h`. */
export function formatDuration(seconds: number): string {
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return pair(Math.floor(whole / 60), 'min', whole % 60, 's');
  if (whole < 172_800) return pair(Math.floor(whole / 3600), 'h', Math.round((whole % 3600) / 60), 'min');
  return pair(Math.floor(whole / 86_400), 'd', Math.round((whole % 86_400) / 3600), 'h');
}

/** `0.1234` → `12.3 %` */
export function formatRatio(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}

function pair(major: number, majorUnit: string, minor: number, minorUnit: string): string {
  return minor === 0 ? `${major} ${majorUnit}` : `${major} ${majorUnit} ${minor} ${minorUnit}`;
}
