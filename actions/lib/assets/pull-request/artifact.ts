import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { checkedAnswer, type GitHub } from '../../github/index.ts';
import { readZipEntry, ZipError } from './zip.ts';

const listSchema = z.object({
  artifacts: z.array(z.object({ id: z.int(), name: z.string(), size_in_bytes: z.int(), expired: z.boolean() })),
});

export interface ArtifactFile {
  run: number;
  /** Of the artifact. */
  artifact: string;
  /** In it. */
  file: string;
  mostBytes: number;
}

/**
 * One file of an artifact, read in memory. What a run of a pull request uploads was made by whoever opened it.
 *
 * @returns undefined when the run uploaded no such artifact
 * @throws OpsError `ASSETS_REVIEW` for one that is too large, damaged or without the file, and what `request` throws
 */
export async function readArtifactFile(
  github: GitHub,
  { run, artifact, file, mostBytes }: ArtifactFile,
): Promise<Buffer | undefined> {
  const { data } = await github.request('GET /repos/{owner}/{repo}/actions/runs/{run}/artifacts', {
    run,
    name: artifact,
    per_page: 100,
  });
  const { artifacts } = checkedAnswer(listSchema, data, `the artifacts of run ${run}`);
  // An attempt that was run again uploads its own.
  const [latest] = artifacts.filter(({ name, expired }) => name === artifact && !expired).sort((a, b) => b.id - a.id);
  if (!latest) return undefined;
  // Headers of an archive are small; what it holds is compressed.
  if (latest.size_in_bytes > mostBytes) throw refused(artifact, `has ${latest.size_in_bytes} bytes`);
  const { data: zip } = await github.request<ArrayBuffer>('GET /repos/{owner}/{repo}/actions/artifacts/{id}/{format}', {
    id: latest.id,
    format: 'zip',
  });
  try {
    const content = readZipEntry(Buffer.from(zip), file, mostBytes);
    if (!content) throw new ZipError(`has no ${file}`);
    return content;
  } catch (error) {
    if (error instanceof ZipError) throw refused(artifact, error.message);
    throw error;
  }
}

function refused(artifact: string, what: string): OpsError {
  return new OpsError('ASSETS_REVIEW', `The artifact ${artifact} ${what}`, {
    hint: 'It is to hold the file that mode: check gives as its output results, and nothing else is commented.',
  });
}
