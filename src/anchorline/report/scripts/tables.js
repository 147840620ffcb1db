"use strict";

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

function sortOnClick() {
  for (const button of document.querySelectorAll("th > button")) {
    button.addEventListener("click", () => sort(button.parentElement));
  }
}

// A select shows one of several panels; its options are their ids.
function choose(select) {
  for (const option of select.options) {
    document.getElementById(option.value).hidden = !option.selected;
  }
}

function showChosen() {
  for (const select of document.querySelectorAll("select[data-chooser]")) {
    select.addEventListener("change", () => choose(select));
    choose(select); // a browser may restore what was chosen before
  }
}

// Rows of large tables stand in the page as JSON, and become cells when the fold around them is opened.
function fill(table) {
  const rows = JSON.parse(document.getElementById(table.dataset.rows).textContent);
  delete table.dataset.rows;
  for (const [name, ...values] of rows) {
    const row = table.tBodies[0].insertRow();
    const header = document.createElement("th");
    header.scope = "row";
    header.textContent = name;
    row.append(header);
    for (const value of values) {
      const cell = row.insertCell();
      cell.textContent = value === null ? "\u2013" : value.toFixed(1);
      if (value !== null) cell.dataset.value = value;
    }
  }
}

function fillOnOpening() {
  for (const table of document.querySelectorAll("[data-rows]")) {
    const fold = table.closest("details");
    fold.addEventListener("toggle", () => fill(table), { once: true });
  }
}
