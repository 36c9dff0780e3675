// Sorts the rows by a click on a column's name and hides those that do not hold what is typed.
"use strict";
const body = document.querySelector("#runs tbody"), heads = [...document.querySelectorAll("#runs thead th")];
const rows = [...body.rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
const words = new Intl.Collator("en", { numeric: true });

function compare(a, b) {
  return a !== "" && b !== "" && isFinite(a) && isFinite(b) ? a - b : words.compare(a, b);
}

function sortBy(head) {
  const at = heads.indexOf(head), down = head.getAttribute("aria-sort") === "ascending";
  heads.forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const keyed = rows.map(({ row }) => ({ row, value: row.cells[at].dataset.v ?? "" }));
  // whatever the direction, runs without a value come last
  keyed.sort((a, b) => (a.value === "") - (b.value === "") || (down ? compare(b.value, a.value) : compare(a.value, b.value)));
  body.append(...keyed.map(({ row }) => row));
}

function filter() {
  const asked = document.getElementById("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const { row, text } of rows) {
    row.hidden = !asked.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  const all = rows.length.toLocaleString("en");
  document.getElementById("count").textContent = asked.length ? `${shown.toLocaleString("en")} of ${all} runs` : `${all} runs`;
}

heads.forEach((head) => head.querySelector("button")?.addEventListener("click", () => sortBy(head)));
document.getElementById("filter").addEventListener("input", filter);
filter();
