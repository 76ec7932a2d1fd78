// @ts-check
// What the types of scripts let pass, and what they refuse. Compiled by `make types`, and never run.

import { Decimal, put, remove, skip } from 'tablewright'

export const table = 'orders'

/** @type {import('tablewright').Cap} */
export const atMost = '50%'

/** @type {import('tablewright').Transform} */
export function up(item) {
  if (item.status === 'void') return remove()
  if (!item.total) return skip('no total')
  if (item.kind === 'label') {
    return put({ table: 'labels', item: { pk: item.pk, at: new Set(['a']) } }, { table: 'all', item })
  }
  item.total = new Decimal(item.total).times(100)
  item.label = `ORDER#${item.pk} ${item.total}`
  delete item.old
}

/** @type {import('tablewright').Transform} */
export const down = (item) => {
  const { label, ...rest } = item
  return { ...rest, n: 1n, list: [1, null, { deep: new Uint8Array(2) }], none: undefined }
}

/** @type {import('tablewright').Predicate} */
export const verify = (item) => item.total > 0

/** @type {import('tablewright').Transform} */
export const same = (item) => item

/** @type {import('tablewright').Transform} */
export function leaves(item) {
  item.n = 1
}

// @ts-expect-error
import { drop } from 'tablewright'

/** @type {import('tablewright').Cap} */
// @ts-expect-error
export const noCap = '50'

/** @type {import('tablewright').Guard} */
// @ts-expect-error
export const noGuard = 'stomp'

/** @type {import('tablewright').Transform} */
export function refused(item) {
  // @ts-expect-error
  if (item.a) return null
  // @ts-expect-error
  if (item.b) return skip()
  // @ts-expect-error
  if (item.c) return { at: new Date() }
  // @ts-expect-error
  if (item.d) return { deep: { list: [() => 1] } }
  // @ts-expect-error
  if (item.e) return put({ table: 'labels' })
  // @ts-expect-error
  if (item.f) return remove
  // @ts-expect-error
  return [item]
}

/** @type {import('tablewright').Predicate} */
// @ts-expect-error
export const says = (item) => {
  item.total > 0
}

const big = new Decimal('98765432109876543210')
// @ts-expect-error
export const sum = big + 1
// @ts-expect-error
export const order = big.compare(null)
