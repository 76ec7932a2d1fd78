export const description = "totals are whole numbers of cents";
export const table = "orders";

/** "12.50" becomes 1250; what is a number already stays one. */
export function up(item) {
  if (typeof item.total !== "string") return;
  const amount = /^(\d+)(?:\.(\d\d?))?$/.exec(item.total);
  if (!amount) throw new Error("total is no amount like 12.50");
  item.total = Number(amount[1]) * 100 + Number((amount[2] ?? "0").padEnd(2, "0"));
}

export function down(item) {
  if (typeof item.total !== "number") return;
  item.total = (item.total / 100).toFixed(2);
}
