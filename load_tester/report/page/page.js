"use strict";
// Draws every chart of the page from the one report that is embedded in it; asks for nothing else.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const report = read("report");
  const { charts, config } = read("charts");
  const lookUp = (path) => path.split(".").reduce((found, key) => found[key], report);
  const PIXELS_PER_LEGEND_ENTRY = 180;

  const draw = ({ name, spec }) => {
    const place = document.getElementById(`chart-${name}`);
    const fitting = Math.max(1, Math.floor(place.clientWidth / PIXELS_PER_LEGEND_ENTRY));
    const columns = Math.min(config.legend.columns, fitting);
    const path = spec.data?.name;
    return vegaEmbed(
      place,
      path === undefined ? spec : { ...spec, datasets: { [path]: lookUp(path) } },
      {
        config: { ...config, legend: { ...config.legend, columns } },
        renderer: "svg",
        actions: false,
        ast: true, // expressions are walked, not compiled: the page's policy forbids eval
        tooltip: { theme: "custom", disableDefaultStyle: true },
      },
    ).catch((problem) => {
      place.textContent = `This chart could not be drawn: ${problem.message}`;
    });
  };

  Promise.all(charts.map(draw)).then(() => {
    document.documentElement.dataset.drawn = "yes";
  });
})();
