export const table = 'orders'
export const description = 'the year of every order'

export function up(item) {
  item.year = Number(item.placed_at.slice(0, 4))
}

export function down(item) {
  delete item.year
}
