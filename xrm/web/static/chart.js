// Charts: an ECharts option in the colours of the theme, made of the rows a page carries. Each has a table as its twin.
(() => {
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (value) => (value >= 1e6 ? `${+(value / 1e6).toFixed(1)} M` : value >= 1e3 ? `${Math.round(value / 1e3)} k` : String(Math.round(value)));

  const option = ({ rows, currency }) => ({
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    textStyle: { fontFamily: style("--bs-body-font-family") || "system-ui, sans-serif", color: style("--x-muted") },
    grid: { left: 0, right: 56, top: 0, bottom: 0, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    tooltip: { renderMode: "richText", trigger: "item", formatter: (p) => `${p.name}\n${Math.round(p.value).toLocaleString("en")} ${currency}\n${rows[p.dataIndex].count} records` },
    xAxis: { type: "value", axisLabel: { show: false }, splitLine: { show: false } },
    yAxis: { type: "category", inverse: true, data: rows.map((row) => row.title), axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: style("--bs-body-color"), fontSize: 13 } },
    series: [{
      type: "bar", barMaxWidth: 22, itemStyle: { borderRadius: [0, 4, 4, 0] },
      label: { show: true, position: "right", color: style("--x-muted"), formatter: (p) => short(p.value) },
      data: rows.map((row) => ({ value: row.value, itemStyle: { color: style(`--x-chart-${row.color}`) || style("--x-accent") } })),
    }],
  });

  const draw = () => {
    for (const place of document.querySelectorAll("[data-chart]")) {
      const facts = JSON.parse(place.dataset.chart);
      const chart = window.echarts.getInstanceByDom(place) || window.echarts.init(place);
      chart.setOption(option(facts), true);
    }
  };
  if (!window.echarts) return;
  draw();
  document.documentElement.addEventListener("xrm:theme", draw);
  addEventListener("resize", () => { for (const place of document.querySelectorAll("[data-chart]")) window.echarts.getInstanceByDom(place)?.resize(); });
})();
