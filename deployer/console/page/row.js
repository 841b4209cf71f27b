// A row's way, from the file to the item.

import { read } from "./api.js";
import { foreign, h, put } from "./dom.js";
import { time } from "./format.js";
import { Loader, cell, head, list, note, section } from "./parts.js";

/** Returns the query for what was entered: digits are a row number, anything else is a row ID. */
export function query(id, wanted) {
    return /^\d{1,15}$/.test(wanted) ? { id, row: wanted } : { id, rowId: wanted };
}

/** Returns the members of an object as labels and values. */
function members(object) {
    return list(Object.entries(object).map(([name, value]) => [name, cell(value)]));
}

export class RowPlace {
    #loader;

    constructor(store, id, wanted) {
        const title = h("div", {}, head("row", wanted));
        const detail = h("div");
        const again = h("button", { type: "button", class: "small" }, "Read again");
        again.addEventListener("click", () => load());
        this.element = h("div", { class: "place" }, title, detail);
        this.#loader = new Loader(detail);
        const load = () => this.#loader.load(async (signal) => {
            const { document: row } = await read("/api/row", query(id, wanted), signal);
            const file = store.file(id);
            put(title, head(file ? `row of ${file.key}` : "row", String(row.row ?? wanted), again));
            return [
                row.rowId && list([["Row ID", row.rowId]]),
                section("Way", row.steps.length === 0 ? h("p", { class: "muted" }, "No event of this row has been seen.") : h("ol", { class: "way" }, row.steps.map(step))),
                row.item && section("Item", members(row.item)),
                row.problems?.length > 0 && section("Problems", row.problems.map(note)),
            ];
        });
        load();
    }

    close() {
        this.#loader.close();
    }
}

function step(one) {
    return h("li", { "data-step": one.name },
        h("p", {}, h("b", {}, one.name), one.resource && [" ", foreign(one.resource, { class: "inline muted" })], one.time ? h("time", { datetime: one.time, class: "muted" }, time(one.time)) : h("span", { class: "muted no-time" }, "time unknown")),
        one.text && h("p", { class: "message" }, foreign(one.text, { class: "wrap" })),
        one.detail && Object.keys(one.detail).length > 0 && h("details", {}, h("summary", {}, "Details"), members(one.detail)));
}
