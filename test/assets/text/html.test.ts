import { describe, expect, test } from 'vitest';
import { madeOf, optimize } from './text.ts';

test('space and comments go, and nothing else', async () => {
  const page = `<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN">
<html lang="en">
  <head>
    <!-- gone -->
    <script type="text/javascript" src="a.js"></script>
  </head>
  <body class="x">
    <ul>
      <li>one   two</li>
    </ul>
    <input disabled="disabled" value="">
  </body>
</html>
`;
  const made = await madeOf('html', page);
  expect(made).toBe(
    '<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN"> <html lang="en"> <head> <script type="text/javascript" src="a.js"></script> </head> <body class="x"> <ul> <li>one two</li> </ul> <input disabled="disabled" value=""> </body> </html> ',
  );
});

describe('byte for byte the same stays', () => {
  const elements = [
    '<pre>  a\n   b  </pre>',
    '<textarea>\n x   y\n</textarea>',
    '<p style="white-space: pre-wrap">a   b\n c</p>',
    '<div contenteditable>  a   b </div>',
    '<script>  var a = 1;   // x\n</script>',
    '<script type="application/ld+json">{ "a": 1, "a": 12345678901234567890 }</script>',
    '<script type="importmap">{  "imports": { } }</script>',
    '<script type="text/template">  <div>   a </div> <!-- b --> </script>',
    '<style> a  { color: red } </style>',
    '<!--[if IE]><p>old   one</p><![endif]-->',
    '<!--# include file="x" -->',
    '<!--! licence -->',
    '<!-- ko if: a -->',
    '<?php echo "  a   b"; ?>',
    '<%=  a   b %>',
    '{{  a   b }}',
    '{%  if  a %}',
    '<svg viewBox="0 0 1 1"><path d="M0 0"/></svg>',
  ];
  test.each(elements)('%s', async element => {
    const made = await madeOf('html', `<div>\n\n   ${element}\n\n   <p>x</p>\n</div>\n`);
    expect(made).toContain(element);
    expect(made).not.toContain('\n\n');
  });

  test('and all of them after one another', async () => {
    const made = await madeOf('html', elements.map(element => `<div>\n   ${element}   </div>`).join('\n'));
    for (const element of elements) expect(made).toContain(element);
  });
});

test('where a style sheet in the page gives space a meaning, space stays', async () => {
  const page = '<style>.code { white-space: pre }</style><!-- gone --><p class="code">a   b</p>';
  expect(await madeOf('html', page)).toBe('<style>.code { white-space: pre }</style><p class="code">a   b</p>');
});

test('a script inside a comment goes with it', async () => {
  expect(await madeOf('html', '<p>a</p><!-- <script>x</script> --><p>b   c</p>')).toBe('<p>a</p><p>b c</p>');
});

test.each(['<p>a <b', '<a b="c>', '<!-- never closed'])('%s is left as it is', async page => {
  expect(await optimize('html', page)).toMatchObject({ status: 'left', code: 'invalid' });
});
