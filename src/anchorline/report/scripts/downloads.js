"use strict";

// Small buttons that save a figure as SVG or PNG, and the numbers of a figure or a table as CSV.
function save(url, label, ending) {
  const link = document.createElement("a");
  link.href = url;
  const name = `${document.title} ${label}`.normalize("NFKD").replace(/[^A-Za-z0-9.]+/g, "-");
  link.download = `${name.replace(/^-+|-+$/g, "").slice(0, 100)}.${ending}`;
  link.click();
}

function saveText(text, kind, label, ending) {
  const url = URL.createObjectURL(new Blob([text], { type: `${kind};charset=utf-8` }));
  save(url, label, ending);
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

async function savePicture(place, label, format) {
  const figure = figureOf(place);
  figure.layout.paper_bgcolor = "#ffffff";
  const { width, height } = figure.layout;
  const scale = format === "png" ? 2 : 1;
  const url = await Plotly.toImage(figure, { format, width, height, scale });
  if (format === "png") save(url, label, "png");
  else saveText(decodeURIComponent(url.slice(url.indexOf(",") + 1)), "image/svg+xml", label, "svg");
}

// A field of CSV; what a spreadsheet would take for a formula stays text.
function field(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csv(rows) {
  return rows.map((row) => row.map(field).join(",")).join("\n") + "\n";
}

function tableRows(table) {
  const [lower, upper] = [...table.tHead.rows].reverse();
  const groups = upper ? [...upper.cells].flatMap((c) => Array(c.colSpan).fill(c.textContent)) : [];
  const body = [...table.tBodies[0].rows];
  const spreads = [...lower.cells].map((_, column) => {
    const found = body.map((row) => row.cells[column].dataset.spread).filter(Boolean);
    return [found.some((s) => s.includes(" ")) && "interval", found.some((s) => !s.includes(" ")) && "sd"];
  });
  const titles = [...lower.cells].flatMap((header, column) => {
    const [title, unit] = [...header.firstElementChild.childNodes].map((node) => node.textContent);
    const name = [groups[column], title].filter(Boolean).join(": ") + (unit ? ` (${unit})` : "");
    const [interval, sd] = spreads[column];
    return [name, ...(interval ? [`${name} low`, `${name} high`] : []), ...(sd ? [`${name} sd`] : [])];
  });
  const rows = body.map((row) =>
    [...row.cells].flatMap((cell, column) => {
      const text = cell.firstChild?.textContent ?? "";
      const spread = (cell.dataset.spread ?? "").split(" ");
      const [interval, sd] = spreads[column];
      return [
        cell.dataset.value ?? (text === "\u2013" ? "" : text),
        ...(interval ? (spread.length === 2 ? spread : ["", ""]) : []),
        ...(sd ? (spread.length === 1 ? spread : [""]) : []),
      ];
    }),
  );
  return [titles, ...rows];
}

function tools(after, label, actions) {
  const line = document.createElement("p");
  line.className = "tools";
  for (const [name, action] of Object.entries(actions)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-label", `Save as ${name}: ${label}`);
    button.addEventListener("click", action);
    line.append(button);
  }
  after.after(line);
}

function offerDownloads() {
  for (const place of document.querySelectorAll("[data-figure]")) {
    const box = place.closest(".plot");
    const label = box.getAttribute("aria-label");
    const numbers = () => {
      const { columns, rows } = figureOf(place).layout.meta;
      saveText(csv([columns, ...rows]), "text/csv", label, "csv");
    };
    const picture = (format) => () => savePicture(place, label, format);
    tools(box, label, { SVG: picture("svg"), PNG: picture("png"), CSV: numbers });
  }
  for (const table of document.querySelectorAll("table")) {
    const label = table.caption.textContent;
    tools(table.closest(".scroll"), label, {
      CSV: () => saveText(csv(tableRows(table)), "text/csv", label, "csv"),
    });
  }
}
