/**
 * The few instructions of WebAssembly that the kernels are written in, as functions from operands to bytes: an expression
 * in TypeScript is the expression in the module. Vectors are the reason: four pixels an instruction, and the fused
 * multiply-add that JavaScript cannot say.
 *
 * Encodings: https://webassembly.github.io/spec/core/binary/instructions.html, and the relaxed-simd proposal for
 * `fusedMultiplyAdd`.
 */
export type Code = readonly number[];
export type ValueType = 'i32' | 'v128';

/** Linear memory; `grow` and the limits are in pages. */
export interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

export const pageBytes = 65_536;

/** The part of the API that is used here: Node's types leave it to those of the browser. */
interface WebAssemblyApi {
  Memory: new (limits: { initial: number; maximum: number }) => Memory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { host: { memory: Memory } }) => { exports: unknown };
}
const api = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

export function createMemory(): Memory {
  return new api.Memory({ initial: 16, maximum: 65_536 });
}

export function compile(kernels: readonly Kernel[]): object {
  return new api.Module(assemble(kernels));
}

/** The functions of a compiled module by name, on this memory. */
export function instantiate(module: object, memory: Memory): unknown {
  return new api.Instance(module, { host: { memory } }).exports;
}

const typeCodes = { i32: 0x7f, v128: 0x7b } as const;
const emptyBlock = 0x40;

/** A variable of a function. */
export interface Local {
  get: Code;
  set(value: Code): Code;
}

export interface KernelBody {
  params: readonly Local[];
  local(type: ValueType): Local;
}

export interface Kernel {
  name: string;
  parameterCount: number;
  localTypes: readonly ValueType[];
  code: Code;
}

/** A function of `parameterCount` i32 parameters (addresses and counts) that returns nothing. */
export function kernel(name: string, parameterCount: number, write: (body: KernelBody) => readonly Code[]): Kernel {
  const localTypes: ValueType[] = [];
  const params = Array.from({ length: parameterCount }, (_, index) => localAt(index));
  const code = write({
    params,
    local(type) {
      localTypes.push(type);
      return localAt(parameterCount + localTypes.length - 1);
    },
  }).flat();
  return { name, parameterCount, localTypes, code };
}

/** A module that imports its memory as `host.memory` and exports every kernel by name. */
function assemble(kernels: readonly Kernel[]): Uint8Array {
  const types = kernels.map(({ parameterCount }) => [
    0x60,
    ...list(Array.from({ length: parameterCount }, () => [typeCodes.i32])),
    0,
  ]);
  const memoryImport = [...text('host'), ...text('memory'), 0x02, 0x00, ...unsigned(1)];
  const bodies = kernels.map(({ localTypes, code }) => {
    const body = [...list(localTypes.map(type => [1, typeCodes[type]])), ...code, 0x0b];
    return [...unsigned(body.length), ...body];
  });
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list(types)),
    ...section(2, list([memoryImport])),
    ...section(3, list(kernels.map((_, index) => unsigned(index)))),
    ...section(7, list(kernels.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]))),
    ...section(10, list(bodies)),
  ]);
}

/** Runs `body` with `counter` at from, from + step, … below `end`. */
export function loop(counter: Local, from: Code, end: Code, step: number, body: readonly Code[]): Code {
  return [
    ...counter.set(from),
    ...[0x02, emptyBlock, 0x03, emptyBlock],
    // Leaves before the body when there is nothing (more) to do.
    ...[...counter.get, ...end, 0x4e, 0x0d, 1],
    ...body.flat(),
    ...counter.set(i32.add(counter.get, i32.constant(step))),
    ...[0x0c, 0, 0x0b, 0x0b],
  ];
}

const binary =
  (...opcode: number[]) =>
  (left: Code, right: Code): Code => [...left, ...right, ...opcode];

export const i32 = {
  constant: (value: number): Code => [0x41, ...signed(value)],
  add: binary(0x6a),
  sub: binary(0x6b),
  multiply: binary(0x6c),
  shiftLeft: (value: Code, bits: number): Code => [...value, 0x41, bits, 0x74],
  loadByte: (address: Code, offset = 0): Code => [...address, 0x2d, 0, ...unsigned(offset)],
};

export const f32 = {
  load: (address: Code, offset = 0): Code => [...address, 0x2a, 2, ...unsigned(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x38, 2, ...unsigned(offset)],
};

const vector = (opcode: number) => [0xfd, ...unsigned(opcode)];
const unaryVector =
  (opcode: number) =>
  (value: Code): Code => [...value, ...vector(opcode)];
const binaryVector = (opcode: number) => binary(...vector(opcode));

export const v128 = {
  load: (address: Code, offset = 0): Code => [...address, ...vector(0x00), 4, ...unsigned(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [
    ...address,
    ...value,
    ...vector(0x0b),
    4,
    ...unsigned(offset),
  ],
  and: binaryVector(0x4e),
  /** Left where no bit of right is set. */
  andNot: binaryVector(0x4f),
  /** Lanes 0 to 3 are of left, 4 to 7 of right. */
  shuffle: (left: Code, right: Code, lanes: readonly number[]): Code => [
    ...left,
    ...right,
    ...vector(0x0d),
    ...lanes.flatMap(lane => [0, 1, 2, 3].map(byte => lane * 4 + byte)),
  ],
};

export const f32x4 = {
  constant: (value: number): Code => lanes(new Float32Array(4).fill(value)),
  abs: unaryVector(0xe0),
  negate: unaryVector(0xe1),
  add: binaryVector(0xe4),
  sub: binaryVector(0xe5),
  multiply: binaryVector(0xe6),
  divide: binaryVector(0xe7),
  max: binaryVector(0xe9),
  /** a × b + c, rounded once where the processor has such an instruction. */
  fusedMultiplyAdd: (a: Code, b: Code, c: Code): Code => [...a, ...b, ...c, ...vector(0x105)],
  /** c − a × b, in the same way. */
  fusedNegatedMultiplyAdd: (a: Code, b: Code, c: Code): Code => [...a, ...b, ...c, ...vector(0x106)],
};

export const i32x4 = {
  constant: (...values: [number, number, number, number]): Code => lanes(new Int32Array(values)),
  splat: unaryVector(0x11),
  add: binaryVector(0xae),
  sub: binaryVector(0xb1),
  multiply: binaryVector(0xb5),
  equal: binaryVector(0x37),
  lessThan: binaryVector(0x39),
  shiftRight: (value: Code, bits: number): Code => [...value, 0x41, bits, ...vector(0xac)],
};

export const f64x2 = {
  add: binaryVector(0xf0),
  /** Of lanes 0 and 1. */
  promote: unaryVector(0x5f),
};

function lanes(values: Float32Array | Int32Array): Code {
  return [...vector(0x0c), ...new Uint8Array(values.buffer)];
}

function localAt(index: number): Local {
  return {
    get: [0x20, ...unsigned(index)],
    set: value => [...value, 0x21, ...unsigned(index)],
  };
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function list(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
}

/** LEB128. */
function unsigned(value: number): number[] {
  const low = value & 0x7f;
  return value > 0x7f ? [low | 0x80, ...unsigned(value >>> 7)] : [low];
}

function signed(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = rest === (low & 0x40 ? -1 : 0);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}
