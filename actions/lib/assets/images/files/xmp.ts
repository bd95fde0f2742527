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

/** A packet that says only whose picture it is. */
export function writeXmp({ copyright, artist }: { copyright: string | undefined; artist: string | undefined }): string {
  const rights =
    copyright === undefined
      ? ''
      : `<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">${escaped(copyright)}</rdf:li></rdf:Alt></dc:rights>`;
  const creator =
    artist === undefined ? '' : `<dc:creator><rdf:Seq><rdf:li>${escaped(artist)}</rdf:li></rdf:Seq></dc:creator>`;
  return (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
    `<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">${rights}${creator}</rdf:Description>` +
    '</rdf:RDF></x:xmpmeta>'
  );
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

function escaped(text: string): string {
  return text.replace(/[<>&"]/g, character => `&${Object.keys(entities).find(name => entities[name] === character)};`);
}
