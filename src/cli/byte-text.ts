const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'] as const;

/** A size for people, such as `4.2 MiB`; below 1024 as it is. */
export function sizeText(bytes: number): string {
  let size = bytes;
  let name = 'bytes';
  for (const unit of UNITS) {
    if (size < 1024) break;
    size /= 1024;
    name = unit;
  }
  return name === 'bytes' ? `${bytes} bytes` : `${size.toFixed(1)} ${name}`;
}
