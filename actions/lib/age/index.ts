export { ageDecryptStream } from './decrypt.ts';
export { type AgeEncryptor, ageEncryptStream, createAgeEncryptor } from './encrypt.ts';
export { generateIdentity, parseIdentities, parseRecipients, recipientOf } from './keys.ts';
