// Rows a second over the last two minutes, as an area. The same line, small, is in the header.

import { h, put, s } from "./dom.js";
import { rate } from "./format.js";

/** Values of the chart at most: one for each second. */
const LENGTH = 120;

/** Draws the history, the newest at the right edge; `head` is room above it. */
export function area(history, width, height, head = 0) {
    const values = history.slice(-LENGTH).map((value) => Math.max(0, value ?? 0));
    const top = Math.max(1, ...values);
    const step = width / (LENGTH - 1);
    const start = width - (values.length - 1) * step;
    const points = values.map((value, index) => `${(start + index * step).toFixed(1)} ${(height - 1 - (value / top) * (height - 3 - head)).toFixed(1)}`);
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, class: "area", "aria-hidden": "true", preserveAspectRatio: "none" });
    if (points.length > 1) {
        svg.append(
            s("path", { class: "fill", d: `M${start.toFixed(1)} ${height}L${points.join("L")}L${width} ${height}Z` }),
            s("path", { class: "stroke", d: `M${points.join("L")}`, "vector-effect": "non-scaling-stroke" }),
        );
    }
    return svg;
}

/** Shows the chart with its scale in an element. */
export function chart(element, rates) {
    const top = Math.max(0, ...rates.history.map((value) => value ?? 0));
    const label = `Rows loaded a second over the last two minutes: ${rate(rates.rowsPerSecond) || "0/s"} now, ${rate(top)} at most`;
    put(element, h("div", { class: "chart", role: "img", "aria-label": label },
        area(rates.history, 360, 84, 20), h("span", { class: "scale" }, `${rate(top)} at most`)));
}
