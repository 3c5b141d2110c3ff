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
  if (figure.matches(".zoomable")) link(figure);
}

// The panels of such a figure have one time axis: they move together, below one cursor.
function link(figure) {
  const shown = views.get(figure);
  const whole = shown[0].scale("x").domain();
  const clock = figure.querySelector(".zoom output");
  let domain = whole;
  function show([from, to], but) {
    const width = Math.min(to - from, whole[1] - whole[0]);
    from = Math.min(Math.max(from, whole[0]), whole[1] - width);
    domain = [from, from + width];
    for (const view of shown) if (view !== but) view.signal("zoom_x", domain).runAsync();
  }
  for (const view of shown) {
    view.addSignalListener("zoom_x", (_, found) => {
      if (found && (found[0] !== domain[0] || found[1] !== domain[1])) show(found, null);
    });
  }
  figure.querySelector(".zoom").addEventListener("click", (event) => {
    const by = event.target.dataset.by;
    if (by === undefined) return;
    const middle = (domain[0] + domain[1]) / 2, half = (domain[1] - domain[0]) / 2 * by;
    show(Number(by) ? [middle - half, middle + half] : whole);
  });
  const lines = [...figure.querySelectorAll(".plot")].map((plot, at) => {
    const line = document.createElement("i");
    plot.append(line);
    return { plot, line, view: shown[at] };
  });
  function left({ plot, view }) {
    return plot.querySelector("svg, canvas").getBoundingClientRect().left + view.origin()[0];
  }
  figure.addEventListener("pointermove", (event) => {
    const over = lines.find(({ plot }) => plot.contains(event.target)) ?? lines[0];
    const time = over.view.scale("x").invert(event.clientX - left(over));
    const isIn = time >= domain[0] && time <= domain[1];
    clock.textContent = isIn ? `${(time * 1e3).toFixed(1)} ms` : "";
    for (const one of lines) {
      const at = left(one) + one.view.scale("x")(time) - one.plot.getBoundingClientRect().left;
      one.line.style.cssText = isIn ? `display:block;left:${at}px` : "";
    }
  });
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
