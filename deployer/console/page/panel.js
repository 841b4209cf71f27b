// The panel at the side, and its places. Each place is an object with `element`, and perhaps `changed(sections)`, which is
// called after each message of the server, and `close()`.

import { attribute, h, put } from "./dom.js";
import { FilePlace } from "./file.js";
import { Overview } from "./overview.js";
import { PlanPlace } from "./plan.js";
import { ResourcePlace } from "./resource.js";
import { go, route } from "./route.js";
import { RowPlace } from "./row.js";

/** From this width on, the panel is beside the rest; below, it covers the page. As in style.css. */
const WIDE = matchMedia("(min-width: 1080px)");

function place(store, path) {
    const [kind, id, part, row] = path;
    if (kind === "file" && id && part === "row" && row) return new RowPlace(store, id, row);
    if (kind === "file" && id) return new FilePlace(store, id);
    if (kind === "resource" && id) return new ResourcePlace(store, id);
    if (kind === "plan" || kind === "drift") return new PlanPlace(kind);
    return new Overview(store);
}

export class Panel {
    #store;
    #element;
    #place = null;
    #from = null;

    constructor(store, element) {
        this.#store = store;
        this.#element = element;
        addEventListener("hashchange", () => this.show(true));
        addEventListener("keydown", (event) => {
            if (event.key === "Escape" && route().length > 0 && !document.querySelector("dialog[open]")) this.#leave();
        });
        WIDE.addEventListener("change", () => this.#cover());
        store.listen((sections) => this.#place?.changed?.(sections));
    }

    /** Shows what the address names; `focus` moves the focus to it, since the user went there. */
    show(focus) {
        const path = route();
        if (focus && this.#place && path.length > 0 && !this.#element.contains(document.activeElement)) this.#from = document.activeElement;
        this.#place?.close?.();
        this.#place = place(this.#store, path);
        const nested = path[2] === "row";
        const back = path.length > 0 && h("button", { type: "button", class: "back", id: "back" }, nested ? "← File" : "← Overview");
        if (back) back.addEventListener("click", () => (nested ? go(path[0], path[1]) : this.#leave()));
        put(this.#element, back, this.#place.element);
        attribute(this.#element, "data-detail", path.length > 0 ? "" : null);
        this.#cover();
        this.#element.scrollTop = 0;
        this.onRoute?.(path);
        if (focus) this.#element.focus({ preventScroll: true });
    }

    // A panel that covers the page leaves nothing to reach under it.
    #cover() {
        const covers = !WIDE.matches && route().length > 0;
        document.querySelector("#main").inert = covers;
        document.body.classList.toggle("covered", covers);
    }

    #leave() {
        const from = this.#from;
        this.#from = null;
        go();
        // The address changes first, then the focus goes back to where the user came from.
        if (from) setTimeout(() => from.isConnected && from.focus(), 0);
    }
}
