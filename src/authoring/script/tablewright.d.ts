/**
 * Types of the module that migration scripts import, for editors: keep this file beside the scripts.
 *
 *     // @ts-check
 *     import { skip } from 'tablewright'
 *
 *     export const table = 'orders'
 *
 *     /** @type {import('tablewright').Transform} *\/
 *     export function up(item) {
 *       if (item.status === 'void') return skip('it was never an order')
 *       item.label = `ORDER#${item.pk}`
 *     }
 *
 * What a script can export:
 *
 * | export                      | what it is                                                                      |
 * |-----------------------------|---------------------------------------------------------------------------------|
 * | `table`                     | the table whose items it is called for; required                                |
 * | `up`                        | a {@link Transform}; required                                                   |
 * | `down`                      | a {@link Transform} that takes it back; leaves alone what was not migrated      |
 * | `verify`                    | a {@link Predicate} that is asked about items after the run                     |
 * | `verifySample`              | about how many items that is, or `"all"`; 1000                                  |
 * | `description`               | one sentence for the history                                                    |
 * | `phase`                     | a {@link Phase}; `"expand"`                                                     |
 * | `guard`                     | a {@link Guard}, where a second application would differ from the first         |
 * | `maxFailedItems`            | how many items may fail; 0                                                      |
 * | `atMost`                    | a {@link Cap} on the capacity that it consumes; `"90%"`                         |
 * | `segments`                  | into how many parts the scan is divided; by the size of the table               |
 * | `concurrency`               | how many write requests are under way at the same time; 16                      |
 */
declare module 'tablewright' {
  /**
   * A value as a script sees it.
   *
   * | DynamoDB       | JavaScript                                                                                 |
   * |----------------|--------------------------------------------------------------------------------------------|
   * | string         | `string`                                                                                   |
   * | number         | `number` where it prints as it was and, if whole, is within 2^53; a {@link Decimal} else   |
   * | boolean, null  | `boolean`, `null`                                                                          |
   * | binary         | `Uint8Array`                                                                               |
   * | list, map      | an array, an object                                                                        |
   * | sets           | `Set` of strings, of numbers or of `Uint8Array`; never empty                               |
   *
   * On the way back a `bigint` is a number too, and `undefined` is no attribute. Functions, symbols, dates and instances of
   * classes are refused, and so is a number that DynamoDB has not or that JavaScript has rounded. What comes back
   * as it was is not written.
   */
  export type Value =
    | string
    | number
    | bigint
    | Decimal
    | boolean
    | null
    | Uint8Array
    | Set<string>
    | Set<number | bigint | Decimal>
    | Set<Uint8Array>
    | Value[]
    | Attributes

  /** Attributes by name. One that is `undefined` is none. */
  export type Attributes = { [name: string]: Value | undefined }

  /**
   * An item: change it in place, or return another object. Each attribute is read when it is asked for, and what was read must
   * still be so when the change is written; to spread an item, or to ask for its keys, is to read all of it.
   *
   * Which types they have is yours to know.
   */
  export interface Item {
    [attribute: string]: any
  }

  /** What `up` and `down` return besides an item. */
  export class Outcome {
    private constructor()
    private readonly kind: string
  }

  /**
   * Says what becomes of an item: what it returns, or, where it returns nothing, the item as it has left it. It is called
   * again for an item that has changed meanwhile, and for its own result, where no guard makes it exactly once.
   */
  export type Transform = (item: Item) => Attributes | Outcome | void

  /** Whether an item is as it should be. What it throws instead says why not. */
  export type Predicate = (item: Item) => boolean

  /** Before the code that needs it, or after the last code that needed what it takes away. */
  export type Phase = 'expand' | 'contract'

  /** A mark on each changed item, or what it was, in the ledger. */
  export type Guard = 'stamp' | 'journal'

  /** Capacity units a second, or a part of what the table can serve. */
  export type Cap = number | `${number}%`

  /** The item is to go. */
  export function remove(): Outcome

  /** The item stays as it is, for this reason; such items are counted. */
  export function skip(reason: string): Outcome

  /**
   * The item stays, and these are to be in their tables, where there is none of their key. One that is there already counts
   * if it is equal; if it differs, the item fails.
   */
  export function put(...puts: { table: string; item: Attributes }[]): Outcome

  /**
   * A number of up to 38 digits that a JavaScript number would round. It has no arithmetic but its own: `+`, `<` and `==`
   * throw, and `===` compares objects.
   */
  export class Decimal {
    /** @throws where it has more digits than DynamoDB keeps, or is no number */
    constructor(value: string | number | bigint | Decimal)
    plus(other: string | number | bigint | Decimal): Decimal
    minus(other: string | number | bigint | Decimal): Decimal
    times(other: string | number | bigint | Decimal): Decimal
    /** Below zero where it is less than the other one, above where it is more. */
    compare(other: string | number | bigint | Decimal): -1 | 0 | 1
    equals(other: string | number | bigint | Decimal): boolean
    /** @throws where it has a fraction */
    toBigInt(): bigint
    /** The nearest JavaScript number. */
    roundToNumber(): number
    /** All of its digits. */
    toString(): string
    toJSON(): string
    [Symbol.toPrimitive](hint: 'string'): string
    [Symbol.toPrimitive](hint: 'number' | 'default'): never
  }
}
