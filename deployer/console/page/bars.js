// The stacked bar of a file: a segment for each state of its rows, as wide as its share.

import { h, text } from "./dom.js";
import { count, parts } from "./format.js";

/** The states in the order of the bar, and their names in the legend. */
export const NAMES = {
    loaded: "loaded", skipped: "skipped", failed: "failed", missing: "missing", transformed: "transformed", extracted: "extracted",
};

/** Returns the legend, with the colours of the bar. */
export function legend() {
    return Object.entries(NAMES).map(([name, label]) => h("span", { class: "key" }, h("i", { class: "swatch", "data-part": name }), label));
}

/** Returns a bar with all segments, which `update` gives their widths. */
export function bar() {
    const segments = Object.fromEntries(Object.keys(NAMES).map((name) => [name, h("i", { "data-part": name })]));
    return { element: h("div", { class: "stack", "aria-hidden": "true" }, Object.values(segments)), segments, shown: "" };
}

/** Sets the widths. A part that is there has two pixels at least, or one failed row of a million could not be seen. */
export function update(drawn, file) {
    const { whole, parts: present } = parts(file);
    const shown = JSON.stringify([whole, present]);
    if (drawn.shown === shown) return;
    drawn.shown = shown;
    const widths = new Map(present.map(({ name, rows }) => [name, rows]));
    for (const [name, segment] of Object.entries(drawn.segments)) {
        const rows = widths.get(name) ?? 0;
        segment.style.setProperty("width", whole === 0 ? "0" : `${(rows / whole) * 100}%`);
        segment.style.setProperty("min-width", rows > 0 ? "2px" : "0");
    }
}

/** Shows a number beside its name: `failed 12`. */
export function figure(name, rows) {
    const value = h("b", {}, count(rows));
    const element = h("div", { class: "figure", "data-part": name }, h("span", {}, h("i", { class: "swatch", "data-part": name }), NAMES[name] ?? name), value);
    return { element, set: (now) => text(value, count(now)) };
}
