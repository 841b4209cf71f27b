// Parts that several places of the panel have.

import { failure } from "./ask.js";
import { foreign, h, put } from "./dom.js";
import { visible } from "./format.js";

/** Returns the head of a place: its kind in small, its name, and what is beside it. */
export function head(kind, name, beside) {
    return h("header", { class: "place-head" }, h("p", { class: "kind" }, kind), h("h2", {}, foreign(name, { class: "wrap" })), beside);
}

/** Returns a section with a title. */
export function section(title, ...content) {
    return h("section", { class: "part" }, h("h3", {}, title), content);
}

/** Returns labels and values; what is `null` is left out. */
export function list(pairs) {
    const rows = pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined && pair[1] !== "");
    return h("dl", {}, rows.map(([label, value]) => [h("dt", {}, label), h("dd", {}, typeof value === "string" ? foreign(value, { class: "wrap" }) : value)]));
}

/** Returns what is wrong, and what to do about it. */
export function note(problem) {
    return h("div", { class: "note", "data-severity": problem.severity ?? "error" },
        h("p", {}, foreign(problem.text, { class: "wrap" })), (problem.hint ?? problem.help) && h("p", { class: "hint" }, problem.hint ?? problem.help));
}

/** Returns a command with a button that copies it. */
export function command(words, purpose) {
    const copy = h("button", { type: "button", class: "small" }, "Copy");
    copy.addEventListener("click", async () => {
        try {
            await navigator.clipboard.writeText(words);
            copy.textContent = "Copied";
        } catch {
            // Not allowed: the text can be selected.
            copy.textContent = "Select it";
        }
        setTimeout(() => (copy.textContent = "Copy"), 2_000);
    });
    return h("div", { class: "command" }, purpose && h("p", { class: "muted" }, purpose), h("div", {}, h("code", {}, words), copy));
}

/** Cells of this many characters at most are shown; the whole is in the tooltip, and more than a tooltip holds is cut, too. */
const LONGEST = 400;

/** Returns any value of JSON as a text in one line. */
export function cell(value) {
    const whole = typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
    const shown = whole.length > LONGEST ? `${whole.slice(0, LONGEST)}…` : whole;
    const element = foreign(shown, { class: "cell" });
    if (whole.length > LONGEST) element.title = visible(whole.slice(0, 4_000));
    return element;
}

/**
 * Notes where the focus is in an element, and what is open, and returns a function that brings both back after its content has
 * been replaced by content of the same form: rows arrive while somebody reads.
 */
function remember(element) {
    const reachable = () => [...element.querySelectorAll("a[href], button, input, summary, [tabindex]")];
    const place = reachable().indexOf(document.activeElement);
    const tag = document.activeElement?.localName;
    const open = [...element.querySelectorAll("details")].map((one) => one.open);
    return () => {
        element.querySelectorAll("details").forEach((one, index) => (one.open = open[index] ?? false));
        const counterpart = place < 0 ? null : reachable()[place];
        if (counterpart?.localName === tag) counterpart.focus({ preventScroll: true });
    };
}

/**
 * Fills `element` with what `load(signal)` resolves to, unless that is `undefined`; until then, and if it fails, it says so. A
 * later call gives up an earlier one.
 */
export class Loader {
    #element;
    #running = null;

    constructor(element) {
        this.#element = element;
    }

    async load(load, { quiet = false } = {}) {
        this.#running?.abort();
        const running = new AbortController();
        this.#running = running;
        if (!quiet) put(this.#element, h("p", { class: "muted loading" }, "Loading…"));
        try {
            const content = await load(running.signal);
            if (running.signal.aborted || content === undefined) return;
            const restore = remember(this.#element);
            put(this.#element, content);
            restore();
        } catch (error) {
            if (running.signal.aborted || error.name === "AbortError") return;
            put(this.#element, failure(error));
        }
    }

    close() {
        this.#running?.abort();
    }
}
