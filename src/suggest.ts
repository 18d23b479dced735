/** The nearest known name, for error messages about a misspelt one. */

/**
 * Edits (insert, delete, substitute, swap two neighbours) between two words, compared without case: the optimal string
 * alignment distance, after Damerau (1964) and Levenshtein (1966).
 */
export function editDistance(left: string, right: string): number {
  const a = left.toLowerCase();
  const b = right.toLowerCase();
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, substitute);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** The known name that `name` most likely means, or undefined when none is within a third of its length (at least two edits). */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > 64) return undefined;
  const most = Math.max(2, Math.floor(name.length / 3));
  let best: string | undefined;
  let bestDistance = most + 1;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    // A name of which every letter changed is no suggestion.
    if (distance < bestDistance && distance < Math.max(name.length, candidate.length)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean 'x'?`, or `; known: a, b, c` when nothing is near. Made to be appended to an error message. */
export function suggestion(name: string, known: Iterable<string>): string {
  const names = [...known];
  const guess = nearest(name, names);
  if (guess !== undefined) return `; did you mean '${guess}'?`;
  return names.length > 0 ? `; known: ${names.join(', ')}` : '';
}
