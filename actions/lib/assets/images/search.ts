/** One encode: what it weighs and what it lost. */
export interface Probe<Encoded> {
  quality: number;
  /** SSIMULACRA2 against what was encoded. */
  score: number;
  encoded: Encoded;
}

export interface SearchPlan {
  target: number;
  /** Bounds of the encoder's quality, whole numbers; more is better. */
  lowest: number;
  highest: number;
  /** Where to look first. */
  start: number;
  /** How much the score rises with one step of quality near the target, before two probes tell it. */
  slope: number;
  /** Encodes after which the best that reached the target is taken. */
  budget: number;
}

export interface SearchResult<Encoded> {
  /** The lowest quality found to reach the target, itself encoded and measured. Undefined: not even the highest does. */
  best: Probe<Encoded> | undefined;
  encodes: number;
}

/**
 * Finds the lowest quality whose score reaches the target. Scores rise almost evenly with quality, so it steps by the slope
 * until the target lies between two probes and then interpolates. It stops where a step lower would fail: between
 * neighbours, or within half a step's worth of the target.
 */
export async function searchQuality<Encoded>(
  plan: SearchPlan,
  probe: (quality: number) => Promise<Probe<Encoded>>,
): Promise<SearchResult<Encoded>> {
  let passing: Probe<Encoded> | undefined;
  let failing: Probe<Encoded> | undefined;
  let encodes = 0;
  let quality: number | undefined = clamp(plan.start, plan.lowest, plan.highest);
  while (quality !== undefined) {
    const probed = await probe(quality);
    encodes++;
    if (probed.score >= plan.target) {
      if (passing === undefined || probed.quality < passing.quality) passing = probed;
    } else if (failing === undefined || probed.quality > failing.quality) failing = probed;
    quality = nextQuality(plan, passing, failing, encodes);
  }
  return { best: passing, encodes };
}

type Point = Pick<Probe<unknown>, 'quality' | 'score'>;

/** Undefined: the search is over. */
export function nextQuality(
  plan: SearchPlan,
  passing: Point | undefined,
  failing: Point | undefined,
  encodes: number,
): number | undefined {
  const { target, lowest, highest, budget } = plan;
  if (passing && (encodes >= budget || passing.quality <= lowest)) return undefined;
  if (passing && failing) {
    // Scores need not rise with each step: a better quality may have failed.
    if (passing.quality - failing.quality <= 1) return undefined;
    const slope = (passing.score - failing.score) / (passing.quality - failing.quality);
    if (passing.score - target < slope / 2) return undefined;
    const between = failing.quality + Math.ceil((target - failing.score) / slope);
    return clamp(between, failing.quality + 1, passing.quality - 1);
  }
  if (passing) {
    if (passing.score - target < plan.slope / 2) return undefined;
    // One step short of the estimate: the answer is then likely to be between.
    return clamp(passing.quality - Math.round((passing.score - target) / plan.slope), lowest, passing.quality - 1);
  }
  if (failing!.quality >= highest) return undefined;
  // Far below, the curve is flatter than near the target.
  const steps = Math.ceil((target - failing!.score) / plan.slope);
  return clamp(failing!.quality + steps * (encodes >= budget ? 2 : 1), failing!.quality + 1, highest);
}

function clamp(value: number, low: number, high: number): number {
  return Math.round(Math.max(low, Math.min(high, value)));
}
