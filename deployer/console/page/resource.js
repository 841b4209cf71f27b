// A resource: its state, what is measured of it, its settings and its last log lines.

import { read } from "./api.js";
import { foreign, h, outside, put } from "./dom.js";
import { time } from "./format.js";
import { Loader, head, list, note, section } from "./parts.js";

export class ResourcePlace {
    #store;
    #name;
    #facts = h("div");
    #detail = h("div");
    #loader = new Loader(this.#detail);
    #state = null;

    constructor(store, name) {
        this.#store = store;
        this.#name = name;
        const again = h("button", { type: "button", class: "small", id: "reload" }, "Read again");
        again.addEventListener("click", () => this.#load());
        this.element = h("div", { class: "place" }, head(this.#node?.type ?? "resource", name, again), this.#facts, this.#detail);
        this.changed(new Set(["graph"]));
        this.#load();
    }

    get #node() {
        return this.#store.state?.graph.nodes.find((node) => node.name === this.#name) ?? null;
    }

    changed(sections) {
        if (!sections.has("graph")) return;
        const node = this.#node;
        if (node === null) return put(this.#facts);
        put(this.#facts, h("div", { class: "facts" }, h("span", { class: "state", "data-state": node.state }, node.state),
            node.facts.map((fact) => h("div", { class: "fact", "data-severity": fact.severity }, h("span", {}, fact.label), h("b", {}, foreign(fact.value))))));
        // A resource that begins to fail has something to say in its log.
        if (this.#state !== null && this.#state !== node.state && node.state === "error") this.#load(true);
        this.#state = node.state;
    }

    #load(quiet = false) {
        return this.#loader.load(async (signal) => {
            const { document: resource } = await read("/api/resource", { name: this.#name }, signal);
            return [
                section("Resource", list([
                    ["State", resource.state], ["Logical ID", resource.logicalId], ["Physical ID", resource.physicalId],
                    resource.link && ["AWS", outside(resource.link, "Open in AWS's console")],
                ])),
                resource.configuration?.length > 0 && section("Configuration", list(resource.configuration.map(({ label, value }) => [label, String(value)]))),
                resource.logProblem && section("Log", note(resource.logProblem)),
                resource.log && !resource.logProblem && section("Log", resource.log.length === 0
                    ? h("p", { class: "muted" }, "No lines.")
                    : h("ol", { class: "log", tabindex: "0", "aria-label": "Last log lines" }, resource.log.map((line) => h("li", { "data-level": String(line.level ?? "").toLowerCase() },
                        h("time", { datetime: line.time }, time(line.time)), h("span", { class: "level" }, line.level), foreign(line.text, { class: "wrap" }))))),
            ];
        }, { quiet });
    }

    close() {
        this.#loader.close();
    }
}
