// A file: the numbers of its rows, why some failed, its items, and what can be done.

import { act, download, read } from "./api.js";
import { confirm, toast } from "./ask.js";
import { NAMES, bar, figure, update } from "./bars.js";
import { foreign, h, put, text } from "./dom.js";
import { bytes, count, counted, duration, missing, rate, time } from "./format.js";
import { Loader, cell, command, head, list, note, section } from "./parts.js";
import { go, href } from "./route.js";

/** Row numbers of a reason that are shown at first. */
const NUMBERS = 24;
/** Items that are read at once. */
const ITEMS = 50;
/** Pause between two reads of the same file while rows arrive. */
const PAUSE = 1_500;

export class FilePlace {
    #store;
    #id;
    #row = null;
    #numbers = h("div");
    #head = h("div");
    #detail = h("div");
    #items = h("div");
    #loader = new Loader(this.#detail);
    #itemLoader = new Loader(this.#items);
    #bar = bar();
    #figures = new Map();
    #waiting = 0;
    #seen = "";
    #shown = "";
    #isLoaded = false;

    constructor(store, id) {
        this.#store = store;
        this.#id = id;
        this.element = h("div", { class: "place" }, this.#head, this.#numbers, this.#search(), this.#detail, section("Items", this.#itemsButton(), this.#items));
        this.changed(new Set(["files"]));
        this.#isLoaded = true;
        this.#load();
    }

    changed(sections) {
        if (!sections.has("files")) return;
        const row = this.#store.file(this.#id);
        if (row === null) {
            if (this.#row === null) put(this.#numbers, h("p", { class: "muted" }, "No event of this file has been seen yet."));
            return;
        }
        const first = this.#row === null;
        this.#row = row;
        if (first) this.#draw(row);
        this.#update(row);
        // Failures, results and what to do next are read again when something about them is new, and not too often.
        const seen = JSON.stringify([row.state, row.failed, missing(row), row.lastAt]);
        if (this.#seen !== seen && this.#isLoaded && this.#waiting === 0) {
            this.#waiting = setTimeout(() => {
                this.#waiting = 0;
                this.#load(true);
            }, PAUSE);
        }
        this.#seen = seen;
    }

    close() {
        clearTimeout(this.#waiting);
        this.#loader.close();
        this.#itemLoader.close();
    }

    #draw(row) {
        this.state = h("span", { class: "state" });
        this.pace = h("p", { class: "muted pace" });
        put(this.#head, head("file", row.key, this.state));
        this.#figures = new Map(Object.keys(NAMES).map((name) => [name, figure(name, 0)]));
        put(this.#numbers, this.#bar.element, h("div", { class: "figures" }, [...this.#figures.values()].map((one) => one.element)), this.pace,
            list([["Bucket", row.bucket], ["Version", row.version], ["Size", bytes(row.size)], ["Uploaded", time(row.uploaded ?? row.startedAt)]]));
    }

    #update(row) {
        text(this.state, row.state);
        this.state.dataset.state = row.state;
        update(this.#bar, row);
        for (const [name, one] of this.#figures) {
            const rows = name === "missing" ? missing(row) : row[name];
            one.set(rows);
            one.element.hidden = !(rows > 0) && name !== "loaded" && name !== "extracted";
        }
        const pace = [row.total === null || row.total === undefined ? "The number of rows is not known yet" : counted(row.total, "row")];
        if (row.replaying > 0) pace.push(`${counted(row.replaying, "row")} of a replay to go`);
        if (row.rowsPerSecond > 0) pace.push(rate(row.rowsPerSecond));
        if (row.state === "open" && row.secondsToGo !== null && row.secondsToGo !== undefined) pace.push(`about ${duration(row.secondsToGo)} to go`);
        text(this.pace, pace.join(" · "));
    }

    #search() {
        const input = h("input", { type: "text", id: "row-search", autocomplete: "off", spellcheck: "false", placeholder: "Row number or row ID" });
        const form = h("form", { class: "search" }, h("label", { for: "row-search" }, "Follow a row"), h("div", {}, input, h("button", { type: "submit" }, "Show")));
        form.addEventListener("submit", (event) => {
            event.preventDefault();
            const wanted = input.value.trim();
            if (wanted !== "") go("file", this.#id, "row", wanted);
        });
        return form;
    }

    #itemsButton() {
        const button = h("button", { type: "button", class: "small", id: "show-items" }, "Show items");
        button.addEventListener("click", () => {
            text(button, "Read again");
            this.#itemLoader.load(async (signal) => items(this.#id, (await read("/api/items", { id: this.#id, limit: ITEMS }, signal)).document));
        });
        return button;
    }

    #load(quiet = false) {
        return this.#loader.load(async (signal) => {
            let file;
            try {
                file = (await read("/api/file", { id: this.#id }, signal)).document;
            } catch (error) {
                // A file that was uploaded just now has no event yet; its first one is followed by another read.
                if (error.status === 404 && this.#row === null) return [];
                throw error;
            }
            if (this.#row === null) {
                this.#row = file;
                this.#draw(file);
                this.#update(file);
            }
            const shown = JSON.stringify([file.failures, file.results, file.next, file.problems, file.failed, missing(file)]);
            if (quiet && shown === this.#shown) return undefined;
            this.#shown = shown;
            return [
                file.problems?.length > 0 && section("Problems", file.problems.map(note)),
                file.failures?.length > 0 && section("Failed rows", file.failures.map((one) => this.#failure(one))),
                this.#actions(file),
                file.next?.length > 0 && section("Next", file.next.map((one) => command(one.command, one.purpose))),
            ];
        }, { quiet });
    }

    #failure(one) {
        const rows = h("div", { class: "numbers" });
        const show = (all) => {
            const shown = all ? one.rows : one.rows.slice(0, NUMBERS);
            const more = one.rows.length > shown.length && h("button", { type: "button", class: "small" }, `${count(one.rows.length - shown.length)} more`);
            if (more) more.addEventListener("click", () => show(true));
            const rest = all && one.count > one.rows.length && h("span", { class: "muted" }, `and ${count(one.count - one.rows.length)} more`);
            put(rows, h("span", { class: "muted" }, "rows"), shown.map((row) => h("a", { href: href("file", this.#id, "row", row), class: "chip" }, count(row))), more, rest);
        };
        show(one.rows.length <= NUMBERS);
        return h("div", { class: "reason" },
            h("p", {}, h("b", { class: "code" }, one.reason), ` in ${one.stage}${one.count > 0 ? ", " : ""}`, one.count > 0 && counted(one.count, "row")),
            one.message && h("p", { class: "message" }, foreign(one.message, { class: "wrap" })), one.rows.length > 0 && rows,
            one.docs && h("details", {}, h("summary", {}, "What to do"), h("div", { class: "page", tabindex: "0" }, one.docs)));
    }

    #actions(file) {
        const writes = !this.#store.state?.stack.readOnly;
        const results = file.results;
        const links = [["rejects", results?.rejects, "Download rejects"], ["results", results?.results, "Download results"]]
            .filter(([, key]) => key)
            .map(([which, key, label]) => h("a", { href: download(this.#id, which), download: "", class: "button", title: key, "data-which": which }, label));
        const replays = writes ? [["failed", file.failed], ["missing", missing(file)]].filter(([, rows]) => rows > 0).map(([which, rows]) => this.#replay(file, which, rows)) : [];
        if (links.length === 0 && replays.length === 0 && !results?.problem) return null;
        return section("Results", results?.attempt > 1 && h("p", { class: "muted" }, `Attempt ${results.attempt}`), results?.problem && h("div", { class: "note", "data-severity": "warning" }, h("p", {}, results.problem)),
            h("div", { class: "buttons start" }, links, replays));
    }

    #replay(file, which, rows) {
        const button = h("button", { type: "button", "data-replay": which }, `Replay ${counted(rows, `${which} row`)}`);
        button.addEventListener("click", async () => {
            const body = [h("p", {}, counted(rows, `${which} row`), " of ", foreign(file.key, { class: "strong" }), rows === 1 ? " is" : " are", " sent through the pipeline again."),
                which === "failed" && h("p", { class: "muted" }, "Rows that failed for what is in the file fail again until the file or the settings are corrected.")];
            if (!(await confirm({ title: `Replay ${which} rows?`, body, button: "Replay" }))) return;
            button.disabled = true;
            try {
                const done = await act("/api/replay", { id: this.#id, which });
                toast(done.replay === null ? "There was no row to replay" : `The replay of ${counted(done.rows, "row")} has started`);
                this.#load(true);
            } catch (error) {
                toast(`No replay: ${error.message}`, { severity: "error", hint: error.hint });
            } finally {
                button.disabled = false;
            }
        });
        return button;
    }
}

/** Returns the items of a file as a table; each row's number leads to its way. */
function items(id, { columns, rows }) {
    if (rows.length === 0) return h("p", { class: "muted" }, "No items yet.");
    const line = (row) => h("tr", { "data-state": row.state },
        h("th", { scope: "row" }, h("a", { href: href("file", id, "row", row.row) }, count(row.row))),
        row.item === null || row.item === undefined
            ? h("td", { colspan: Math.max(1, columns.length), class: "muted" }, row.state, row.reason && [": ", foreign(row.reason, { class: "inline" })])
            : columns.map((column) => h("td", {}, cell(row.item[column]))));
    return h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Items of the file" }, h("table", {},
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "row"), columns.map((column) => h("th", { scope: "col" }, cell(column))))),
        h("tbody", {}, rows.map(line))));
}

