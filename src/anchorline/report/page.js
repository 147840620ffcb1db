"use strict";

// Draw a figure from the JSON that stands in the page.
function draw(target, source) {
  const figure = JSON.parse(document.getElementById(source).textContent);
  return Plotly.react(target, figure.data, figure.layout, { displayModeBar: false });
}

for (const plot of document.querySelectorAll("[data-figure]")) draw(plot, plot.dataset.figure);

const choice = document.getElementById("confidence-method");
choice?.addEventListener("change", () => draw("confidence-plot", choice.value));

// Sort a table by the column of the header that was clicked; missing values stay last.
const names = new Intl.Collator(undefined, { numeric: true });

function key(row, column) {
  const cell = row.cells[column];
  return column === 0 ? cell.textContent : parseFloat(cell.dataset.value ?? cell.textContent);
}

function sort(header) {
  const column = Number(header.dataset.column);
  const current = header.getAttribute("aria-sort");
  const rising = column === 0 ? current !== "ascending" : current === "descending";
  const sign = rising ? 1 : -1;
  const body = header.closest("table").tBodies[0];
  const rows = [...body.rows].map((row) => [key(row, column), row]);
  const missing = Number.isNaN;
  const compare = column === 0 ? names.compare : (a, b) => a - b;
  rows.sort(([a], [b]) => missing(a) - missing(b) || sign * compare(a, b));
  body.append(...rows.map(([, row]) => row));
  for (const other of header.closest("thead").querySelectorAll("[aria-sort]")) {
    other.setAttribute("aria-sort", "none");
  }
  header.setAttribute("aria-sort", rising ? "ascending" : "descending");
}

for (const button of document.querySelectorAll("th > button")) {
  button.addEventListener("click", () => sort(button.parentElement));
}
