import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { madeOf, optimize } from './text.ts';

const icon = `<?xml version="1.0" encoding="UTF-8"?>
<!-- Generator: an editor -->
<svg xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" viewBox="0 0 24 24" inkscape:version="1.0" role="img">
  <title>Cart</title>
  <desc>A shopping cart</desc>
  <defs>
    <symbol id="never-used"><path d="M 0.000001 0 L 1 1"/></symbol>
  </defs>
  <g id="empty"></g>
  <rect id="box" class="a" x="2.0000001" y="2.000" width="10.00" height="10" style="fill:#ff0000"/>
  <path id="wheel" d="M 10.123456 10.654321 L 20.000 20.0000 L 20.0000 10.000 Z" fill="#0000ff" display="none"/>
</svg>
`;

test('ids, classes, viewBox, titles and what is hidden stay', async () => {
  const made = await madeOf('svg', icon);
  for (const kept of [
    'id="never-used"',
    'id="empty"',
    'id="box"',
    'class="a"',
    'id="wheel"',
    'viewBox="0 0 24 24"',
    '<title>Cart</title>',
    '<desc>A shopping cart</desc>',
    '<rect',
    'role="img"',
  ])
    expect(made).toContain(kept);
  for (const gone of ['inkscape', 'Generator', '10.123456', '<?xml']) expect(made).not.toContain(gone);
});

test.each([
  ['an icon of 24', icon],
  [
    'a picture of one unit',
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M 0.123456 0.234567 L 0.345678 0.901234 C 0.4 0.5 0.6 0.7 0.812345 0.123456 Z" fill="#aa0000"/></svg>',
  ],
  [
    'transforms in transforms',
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><g transform="translate(10.5,20.25) rotate(33.3)"><circle cx="10" cy="10" r="5.0000"/><path transform="scale(1.5)" d="M 1 1 h 10 v 10 h -10 z"/></g></svg>',
  ],
])('%s looks the same', async (_, svg) => {
  const pixels = (text: string) =>
    sharp(Buffer.from(text.replace(' viewBox', ' width="256" height="256" viewBox')))
      .resize(256, 256)
      .ensureAlpha()
      .raw()
      .toBuffer();
  const [before, after] = [await pixels(svg), await pixels(await madeOf('svg', svg))];
  const worst = before.reduce((most, value, at) => Math.max(most, Math.abs(value - after[at]!)), 0);
  expect(worst).toBeLessThanOrEqual(10);
});

test('a licence in its metadata stays, and metadata of an editor goes', async () => {
  const svg = (metadata: string) =>
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>${metadata}</metadata><path d="M 0 0"/></svg>`;
  expect(await madeOf('svg', svg('<dc:rights>Anna</dc:rights>'))).toContain('Anna');
  expect(await madeOf('svg', svg('made by a tool'))).not.toContain('tool');
});

test('paths that an animation speaks of stay as they are', async () => {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg">\n  <path d="M 10.0 10.0 L 20.0 20.0">\n    <animate attributeName="d" to="M 1.0 1.0 L 2.0 2.0"/>\n  </path>\n</svg>';
  expect(await madeOf('svg', svg)).toContain('d="M 10.0 10.0 L 20.0 20.0"');
});

describe('is neither run nor fetched, and left as it is:', () => {
  const around = (content: string, attributes = '') =>
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"${attributes}>\n   ${content}\n</svg>`;
  test.each([
    ['a script', around('<script>alert(1)</script>')],
    ['a script with a prefix', around('<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>')],
    ['an event handler', around('<path d="M 0 0"/>', ' onload="alert(1)"')],
    ['a javascript: address', around('<a xlink:href="javascript:alert(1)"><path d="M 0 0"/></a>')],
    ['HTML inside', around('<foreignObject><p>a</p></foreignObject>')],
    ['an external entity', `<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>${around('<text>&x;</text>')}`],
    ['a bomb of entities', `<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>${around('<text>&b;</text>')}`],
    ['an image elsewhere', around('<image href="https://evil.example/pixel.png"/>')],
    ['a file beside it', around('<use xlink:href="other.svg#a"/>')],
    ['a style sheet elsewhere', around('<style>@import "https://evil.example/a.css";</style>')],
    ['a font elsewhere', around('<style>@font-face{font-family:a;src:url(https://evil.example/a.woff)}</style>')],
    ['a style sheet before it', `<?xml-stylesheet href="https://evil.example/a.css"?>${around('<path d="M 0 0"/>')}`],
  ])('%s', async (_, svg) => {
    expect(await optimize('svg', svg)).toMatchObject({ status: 'left', code: 'unsafe' });
  });

  test('references inside it and links to elsewhere are neither', async () => {
    const svg = around(
      '<defs><linearGradient id="g"/></defs><path fill="url(#g)" d="M 0 0"/><use href="#g"/><a href="https://example.org/">\n<path d="M 1 1"/></a>',
    );
    expect(await madeOf('svg', svg)).toContain('url(#g)');
  });
});

test.each([
  ['<svg', 'svg'],
  ['<svg><path></svg>', 'svg'],
  ['not a picture', 'svg'],
])('%s is invalid', async text => {
  expect(await optimize('svg', text)).toMatchObject({ status: 'left' });
});

test('another encoding is not guessed at', async () => {
  expect(
    await optimize('svg', '<?xml version="1.0" encoding="ISO-8859-1"?><svg xmlns="http://www.w3.org/2000/svg"/>'),
  ).toMatchObject({ status: 'left', code: 'encoding' });
});
