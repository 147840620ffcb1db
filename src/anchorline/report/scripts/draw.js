"use strict";
for (const plot of document.querySelectorAll("[data-figure]")) {
  const figure = JSON.parse(document.getElementById(plot.dataset.figure).textContent);
  Plotly.newPlot(plot, figure.data, figure.layout, { displayModeBar: false });
}
