"use strict";

// Figures are drawn from the JSON that stands in the page, each when it first comes near the screen.
const config = { displayModeBar: false };
const drawn = new WeakSet();

function figureOf(place) {
  return JSON.parse(document.getElementById(place.dataset.figure).textContent);
}

function draw(place) {
  if (drawn.has(place)) return null;
  drawn.add(place);
  const { data, layout } = figureOf(place);
  return Plotly.newPlot(place, data, layout, config);
}

function drawAll() {
  for (const place of document.querySelectorAll("[data-figure]")) draw(place);
}

function drawInView() {
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        draw(target);
      }
    },
    { rootMargin: "600px" },
  );
  for (const place of document.querySelectorAll("[data-figure]")) seen.observe(place);
  window.addEventListener("beforeprint", drawAll);
}

// Each picture stands in the page once, however many methods show it.
function showPictures() {
  const pictures = JSON.parse(document.getElementById("pictures").textContent);
  for (const image of document.querySelectorAll("[data-picture]")) {
    image.src = pictures[image.dataset.picture];
  }
}
