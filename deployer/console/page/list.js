// A list of many rows of the same height, of which only those in sight have elements. These are used again for other rows,
// so that scrolling creates nothing.

import { attribute, h } from "./dom.js";

/** Rows above and below those in sight, so that a quick flick shows no gap. */
const SPARE = 6;

export class VirtualList {
    #rows = [];
    #slots = [];
    #active = -1;
    #drawn = false;
    #create;
    #bind;
    #open;
    #id;

    /**
     * `create` returns the element of a row with whatever it needs, `bind(slot, row)` shows a row in it, `open(row)` is what
     * a click and Enter do.
     */
    constructor({ label, create, bind, open }) {
        this.#create = create;
        this.#bind = bind;
        this.#open = open;
        this.#id = `list-${Math.random().toString(36).slice(2)}`;
        this.space = h("div", { class: "list-space", role: "presentation" });
        this.element = h("div", { class: "list", role: "listbox", tabindex: "0", "aria-label": label, id: this.#id }, this.space);
        this.element.addEventListener("scroll", () => this.draw(), { passive: true });
        this.element.addEventListener("keydown", (event) => this.#key(event));
        this.element.addEventListener("click", (event) => {
            const slot = this.#slots.find((one) => one.element.contains(event.target));
            if (slot?.row) {
                this.#activate(slot.index);
                this.#open(slot.row);
            }
        });
        new ResizeObserver(() => this.draw()).observe(this.element);
    }

    get rows() {
        return this.#rows;
    }

    /** Takes the rows of now. The active row stays the same one, wherever it has moved. */
    set(rows) {
        const active = this.#rows[this.#active];
        this.#rows = rows;
        if (active !== undefined) this.#active = rows.indexOf(active);
        this.draw();
    }

    /** Draws with the next frame, however often it is called. */
    draw() {
        if (this.#drawn) return;
        this.#drawn = true;
        requestAnimationFrame(() => {
            this.#drawn = false;
            this.#render();
        });
    }

    #height() {
        return Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 64;
    }

    #render() {
        const height = this.#height();
        // Not higher than its rows, up to the limit of style.css.
        this.element.style.setProperty("height", `${this.#rows.length * height + 1}px`);
        const sight = Math.ceil(this.element.clientHeight / height) + 1;
        const size = Math.min(this.#rows.length, sight + 2 * SPARE);
        this.space.style.setProperty("height", `${this.#rows.length * height}px`);
        while (this.#slots.length < size) this.#add();
        while (this.#slots.length > size) this.#slots.pop().element.remove();
        const top = Math.floor(this.element.scrollTop / height) - SPARE;
        const first = Math.max(0, Math.min(this.#rows.length - size, top));
        for (let index = first; index < first + size; index++) this.#show(this.#slots[index % size], index, height);
        const active = this.#slots.find((slot) => slot.index === this.#active);
        attribute(this.element, "aria-activedescendant", active ? active.element.id : null);
    }

    #add() {
        const slot = this.#create();
        slot.element.id = `${this.#id}-${this.#slots.length}`;
        slot.element.setAttribute("role", "option");
        this.#slots.push(slot);
        this.space.append(slot.element);
    }

    #show(slot, index, height) {
        const row = this.#rows[index];
        const place = `translateY(${index * height}px)`;
        if (slot.place !== place) slot.element.style.setProperty("transform", place);
        Object.assign(slot, { row, index, place });
        attribute(slot.element, "aria-setsize", this.#rows.length);
        attribute(slot.element, "aria-posinset", index + 1);
        attribute(slot.element, "aria-selected", index === this.#active ? "true" : "false");
        this.#bind(slot, row);
    }

    #activate(index) {
        this.#active = Math.max(0, Math.min(this.#rows.length - 1, index));
        const [height, list] = [this.#height(), this.element];
        const top = this.#active * height;
        if (top < list.scrollTop) list.scrollTop = top;
        else if (top + height > list.scrollTop + list.clientHeight) list.scrollTop = top + height - list.clientHeight;
        this.draw();
    }

    #key(event) {
        const page = Math.max(1, Math.floor(this.element.clientHeight / this.#height()) - 1);
        const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
        if (this.#rows.length === 0) return;
        if (event.key in steps) {
            this.#activate(this.#active === -1 && event.key !== "End" ? 0 : this.#active + steps[event.key]);
        } else if ((event.key === "Enter" || event.key === " ") && this.#active >= 0) {
            this.#open(this.#rows[this.#active]);
        } else {
            return;
        }
        event.preventDefault();
    }
}
