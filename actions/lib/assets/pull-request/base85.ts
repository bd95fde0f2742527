const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~';

/** As git writes bytes into a patch: lines of 52 bytes, each with its length before it (git, base85.c and diff.c). */
export function base85Lines(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 52) {
    const line = bytes.subarray(at, at + 52);
    const length = line.length;
    text += String.fromCharCode(length <= 26 ? 64 + length : 96 + length - 26);
    for (let word = 0; word < length; word += 4) {
      let value = 0;
      for (let byte = 0; byte < 4; byte++) value = value * 256 + (line[word + byte] ?? 0);
      let digits = '';
      for (let digit = 0; digit < 5; digit++) {
        digits = alphabet[value % 85]! + digits;
        value = Math.floor(value / 85);
      }
      text += digits;
    }
    text += '\n';
  }
  return text;
}
