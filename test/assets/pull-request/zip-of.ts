import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemPython } from '../../services/ftp.ts';

const script = `
import json, warnings, zipfile
warnings.simplefilter('ignore')
with zipfile.ZipFile('out.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
    for name, content in json.load(open('files.json')):
        archive.writestr(name, content)
`;

/** An archive as Python's zipfile writes it, whatever the names. */
export function zipOf(files: readonly [name: string, content: string][]): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'ops-zip-'));
  try {
    writeFileSync(join(folder, 'files.json'), JSON.stringify(files));
    execFileSync(systemPython, ['-c', script], { cwd: folder });
    return readFileSync(join(folder, 'out.zip'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
