export { matchesAnyGlob, matchesGlob } from './glob.ts';
export { byBytes, isInside, isNamed, type Listed, listTree, withFolders } from './list.ts';
export { writeFileWhole } from './replace.ts';
export { isSettled, noSignature, type Signature, sameSignature, signatureOf } from './signature.ts';
