// The list of files, with its filter.

import { bar, legend, update } from "./bars.js";
import { attribute, h, put, text } from "./dom.js";
import { bytes, count, counted, duration, rate, summary, time, visible } from "./format.js";
import { VirtualList } from "./list.js";
import { go } from "./route.js";

const STATES = { open: "open", complete: "complete", failed: "failed", incomplete: "incomplete" };

function create() {
    const slot = {
        key: h("bdi", { class: "foreign key-name" }), state: h("span", { class: "state" }), line: h("span", { class: "line" }),
        side: h("span", { class: "side" }), bar: bar(),
    };
    slot.element = h("div", { class: "file" },
        h("div", { class: "file-top" }, slot.key, slot.state),
        slot.bar.element,
        h("div", { class: "file-bottom" }, slot.line, slot.side));
    return slot;
}

function bind(slot, file) {
    const key = visible(file.key);
    text(slot.key, key);
    attribute(slot.key, "title", key);
    text(slot.state, STATES[file.state] ?? file.state);
    attribute(slot.state, "data-state", file.state);
    text(slot.line, summary(file));
    update(slot.bar, file);
    const parts = [];
    if (file.rowsPerSecond > 0) parts.push(rate(file.rowsPerSecond));
    if (file.state === "open" && file.secondsToGo !== null && file.secondsToGo !== undefined) parts.push(`${duration(file.secondsToGo)} to go`);
    if (file.size !== null && file.size !== undefined) parts.push(bytes(file.size));
    parts.push(time(file.uploaded ?? file.startedAt ?? file.lastAt));
    text(slot.side, parts.join(" · "));
}

/** The section of the files. */
export class Files {
    #store;
    #filter;
    #state;
    #count;
    #empty = h("p", { class: "empty" });

    constructor(store, section) {
        const find = (id) => section.querySelector(`#${id}`);
        this.#store = store;
        [this.#filter, this.#state, this.#count] = ["files-filter", "files-state", "files-count"].map(find);
        put(find("files-keys"), legend());
        this.list = new VirtualList({ label: "Files, the newest first", create, bind, open: (file) => go("file", file.id) });
        find("files-list").append(this.list.element, this.#empty);
        this.#filter.addEventListener("input", () => this.render());
        this.#state.addEventListener("change", () => this.render());
    }

    render() {
        const all = this.#store.files;
        const [wanted, state] = [this.#filter.value.toLowerCase(), this.#state.value];
        const rows = wanted === "" && state === ""
            ? all.slice()
            : all.filter((file) => (state === "" || file.state === state) && file.key.toLowerCase().includes(wanted));
        this.list.set(rows);
        const total = this.#store.state?.files.total ?? all.length;
        const shown = rows.length === all.length ? counted(total, "file") : `${count(rows.length)} of ${counted(total, "file")}`;
        text(this.#count, total > all.length ? `${shown}, the newest ${count(all.length)} listed` : shown);
        this.list.element.hidden = rows.length === 0;
        this.#empty.hidden = rows.length > 0;
        text(this.#empty, all.length === 0 ? "No file has been uploaded. Drop one here to begin." : "No file matches the filter.");
    }
}
