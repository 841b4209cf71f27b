// Uploads: files that are dropped on the page or chosen, after a confirmation, one after another.

import { send } from "./api.js";
import { confirm, toast } from "./ask.js";
import { foreign, h, put, text } from "./dom.js";
import { bytes, counted } from "./format.js";
import { go } from "./route.js";

/** The drop zone, which is also a button, and the uploads in progress. */
export class Upload {
    #store;
    #input;
    #zone;
    #running = h("div", { class: "uploads" });
    #queue = Promise.resolve();

    constructor(store, element) {
        this.#store = store;
        this.#input = h("input", { type: "file", multiple: true, hidden: true, id: "file-input", "aria-label": "Files to upload" });
        this.#zone = h("button", { type: "button", class: "drop", id: "drop" },
            h("span", { class: "drop-icon", "aria-hidden": "true" }, "↑"),
            h("span", {}, h("b", {}, "Upload a file"), h("span", { class: "muted drop-hint" }, " or drop it anywhere on the page")));
        this.#zone.addEventListener("click", () => this.#input.click());
        this.#input.addEventListener("change", () => {
            this.#take([...this.#input.files]);
            this.#input.value = "";
        });
        put(element, this.#zone, this.#input, this.#running);
        this.#listen();
    }

    /** The buckets that a file can go to. */
    get #buckets() {
        return this.#store.state?.stack.buckets ?? [];
    }

    get #possible() {
        const state = this.#store.state;
        return state !== null && !state.stack.readOnly && state.connection.state === "connected" && this.#buckets.length > 0;
    }

    render() {
        const state = this.#store.state;
        // `--read-only` takes it away; without a stack there is no bucket to upload to.
        this.#zone.hidden = state === null || state.stack.readOnly || this.#buckets.length === 0;
        this.#zone.disabled = !this.#possible;
    }

    // A file that is dropped beside the zone would otherwise replace the page.
    #listen() {
        let inside = 0;
        const show = () => document.body.classList.toggle("dropping", inside > 0 && this.#possible);
        const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
        addEventListener("dragenter", (event) => {
            if (hasFiles(event)) inside += 1;
            show();
        });
        addEventListener("dragleave", (event) => {
            if (hasFiles(event)) inside -= 1;
            show();
        });
        addEventListener("dragover", (event) => {
            if (!hasFiles(event)) return;
            event.preventDefault();
            event.dataTransfer.dropEffect = this.#possible ? "copy" : "none";
        });
        addEventListener("drop", (event) => {
            if (!hasFiles(event)) return;
            event.preventDefault();
            inside = 0;
            show();
            if (this.#possible) this.#take([...event.dataTransfer.files]);
        });
    }

    async #take(files) {
        if (files.length === 0) return;
        const buckets = this.#buckets;
        const bucket = buckets.length > 1
            ? h("select", { id: "upload-bucket" }, buckets.map(({ name }) => h("option", { value: name }, name)))
            : null;
        const keys = files.map((file, index) => h("input", {
            type: "text", value: file.name, id: `upload-key-${index}`, maxlength: 1024, autocomplete: "off", spellcheck: "false", dir: "auto",
        }));
        keys[0].setAttribute("data-first", "");
        const hint = h("p", { class: "note", "data-severity": "warning" });
        const to = () => buckets.find(({ name }) => name === bucket?.value) ?? buckets[0];
        // A key that starts nothing is allowed: somebody may want the object there. It is only said.
        const judge = () => {
            const idle = keys.find((key) => !starts(to().keys, key.value));
            hint.hidden = idle === undefined;
            put(hint, idle && [foreign(idle.value, { class: "inline" }), ` starts no pipeline: the key has to be like ${patterns(to().keys)}.`]);
        };
        for (const input of [...keys, bucket]) input?.addEventListener("input", judge);
        judge();
        const problem = h("p", { class: "note", "data-severity": "error", role: "alert", hidden: true });
        const { name, target } = this.#store.state.stack;
        const body = [
            h("p", {}, counted(files.length, "file"), " for the bucket ", bucket ?? foreign(buckets[0].name, { class: "strong" }), " of ", foreign(name, { class: "strong" }),
                target === "aws" ? " on AWS." : " on the local cloud."),
            bucket && h("label", { for: "upload-bucket", class: "visually-hidden" }, "Bucket"),
            files.map((file, index) => h("div", { class: "field" },
                h("label", { for: `upload-key-${index}` }, "Key of ", foreign(file.name, { class: "inline" }), ` (${bytes(file.size)})`), keys[index])),
            hint,
            problem,
        ];
        const check = () => {
            const empty = keys.find((key) => key.value === "");
            const names = keys.map((key) => key.value);
            const same = keys.find((key, index) => names.indexOf(key.value) !== index);
            const long = keys.find((key) => new TextEncoder().encode(key.value).length > 1024);
            const wrong = empty ?? same ?? long;
            if (wrong === undefined) return true;
            text(problem, wrong === empty ? "A key is empty." : wrong === same ? "Two files have the same key." : "A key has at most 1,024 bytes.");
            problem.hidden = false;
            wrong.focus();
            return false;
        };
        const title = files.length === 1 ? "Upload this file?" : "Upload these files?";
        if (!(await confirm({ title, body, button: "Upload", check }))) return;
        files.forEach((file, index) => this.#start(file, to().name, keys[index].value, files.length === 1));
    }

    #start(file, bucket, key, alone) {
        const progress = h("progress", { max: Math.max(1, file.size), value: 0, "aria-label": `Upload of ${key}` });
        const said = h("span", { class: "muted" }, "waiting");
        const element = h("div", { class: "uploading" }, h("div", { class: "file-top" }, foreign(key, { class: "key-name" }), said), progress);
        this.#running.append(element);
        // One after another: several at once would only share the same connection.
        this.#queue = this.#queue.then(async () => {
            try {
                const done = await send(file, { bucket, key }, (sent) => {
                    progress.value = sent;
                    text(said, `${bytes(sent)} of ${bytes(file.size)}`);
                });
                toast([foreign(key, { class: "inline" }), " has been uploaded"]);
                if (done?.id && alone) go("file", done.id);
            } catch (error) {
                toast([foreign(key, { class: "inline" }), ` was not uploaded: ${error.message}`], { severity: "error", hint: error.hint });
            } finally {
                element.remove();
            }
        });
    }
}

/** Returns `true` if an object with this key starts the pipeline; without patterns, each does. */
export function starts(keys, key) {
    return keys.length === 0 || keys.some(({ prefix, suffix }) => key.startsWith(prefix ?? "") && key.endsWith(suffix ?? ""));
}

function patterns(keys) {
    return keys.map(({ prefix, suffix }) => `${prefix ?? ""}*${suffix ?? ""}`).join(" or ");
}
