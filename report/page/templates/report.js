"use strict";
// Draws each figure's panels with Vega, top to bottom, and lets legends hide series.

const config = JSON.parse(document.getElementById("config").textContent);
const options = {
  ast: true, // no code from strings: the page's policy forbids it
  renderer: "svg",
  actions: false,
  defaultStyle: false,
  tooltip: { disableDefaultStyle: true },
  config,
};
const views = new Map();

// Vega is compressed, to keep the page small; the page's policy contains its hash.
async function loadVega() {
  const text = atob(document.getElementById("vega").textContent);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(unpacked).text();
  document.head.append(script);
}

// A figure has a legend of its own, or that of its section.
function legendOf(figure) {
  return figure.querySelector(".legend") ?? figure.closest("section")?.querySelector(".legend");
}

function hide(figure) {
  const off = legendOf(figure)?.querySelectorAll('[aria-pressed="false"]') ?? [];
  const names = [...off].map((button) => button.dataset.series);
  for (const view of views.get(figure) ?? []) view.signal("hidden", names).runAsync();
}

async function draw(figure) {
  const { fields, rows, specs, panels } = JSON.parse(figure.querySelector("script").textContent);
  const named = rows.map((row) =>
    Object.fromEntries(fields.map((field, at) => [field, row[at]]).filter(([, value]) => value !== null)));
  const places = figure.querySelectorAll(".plot");
  const drawn = panels.map(({ title, spec }, at) => vegaEmbed(places[at], {
    data: { values: structuredClone(named.filter((row) => (row.panel ?? title) === title)) },
    params: [{ name: "hidden", value: [] }],
    transform: [{ filter: "indexof(hidden, datum.series) < 0" }],
    width: "container",
    ...specs[spec],
  }, options));
  views.set(figure, (await Promise.all(drawn)).map((result) => result.view));
  hide(figure);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".legend button");
  if (!button) return;
  button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") === "false");
  const legend = button.closest(".legend");
  for (const figure of views.keys()) if (legendOf(figure) === legend) hide(figure);
});

(async () => {
  await loadVega();
  for (const figure of document.querySelectorAll("figure")) await draw(figure);
  document.body.dataset.charts = "drawn";
})();
