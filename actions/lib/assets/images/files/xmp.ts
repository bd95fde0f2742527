/** What the policy on metadata asks of XMP, as RDF in XML. */
export interface XmpFacts {
  copyright: string | undefined;
  artist: string | undefined;
  hasLocation: boolean;
}

const place = /\b(?:exif:GPS|photoshop:(?:City|State|Country)|Iptc4xmpCore:Location|Iptc4xmpExt:Location)/;

export function readXmp(block: Uint8Array): XmpFacts {
  const text = new TextDecoder().decode(block);
  return {
    copyright: firstItem(text, 'dc:rights'),
    artist: firstItem(text, 'dc:creator'),
    hasLocation: place.test(text),
  };
}

function firstItem(text: string, element: string): string | undefined {
  const content = new RegExp(`<${element}[^>]*>(.*?)</${element}>`, 's').exec(text)?.[1];
  const item = /<rdf:li[^>]*>(.*?)<\/rdf:li>/s.exec(content ?? '')?.[1]?.trim();
  return item ? unescaped(item) : undefined;
}

const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function unescaped(text: string): string {
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => entities[name]!);
}
