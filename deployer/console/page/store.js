// The state of the page: the last `state` of the server, with every `change` applied. Nothing here touches the document.

/** Orders files: the newest first, and always in the same way. */
export function newestFirst(one, other) {
    const [a, b] = [moment(one), moment(other)];
    if (a !== b) return a < b ? 1 : -1;
    return one.id < other.id ? -1 : one.id > other.id ? 1 : 0;
}

function moment(file) {
    return file.uploaded ?? file.startedAt ?? file.lastAt ?? "";
}

/** What the server said last, and who wants to hear of changes. */
export class Store {
    #state = null;
    #files = [];
    #byId = new Map();
    #listeners = new Set();

    /** The state without its files; `null` before the first message. */
    get state() {
        return this.#state;
    }

    /** The files, the newest first. */
    get files() {
        return this.#files;
    }

    file(id) {
        return this.#byId.get(id) ?? null;
    }

    /** Calls the listener with the set of sections that changed, after each message. */
    listen(listener) {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }

    /** Takes a whole state, which replaces everything. */
    replace(state) {
        this.#state = state;
        this.#byId = new Map(state.files.rows.map((row) => [row.id, row]));
        this.#files = [...this.#byId.values()].sort(newestFirst);
        this.#tell(new Set(Object.keys(state)));
    }

    /** Takes sections that changed. Without a state before it there is nothing to change, so it is ignored. */
    change(sections) {
        if (this.#state === null) return;
        for (const [name, section] of Object.entries(sections)) {
            if (name === "files") this.#changeFiles(section);
            else this.#state[name] = section;
        }
        this.#tell(new Set(Object.keys(sections)));
    }

    #changeFiles({ upsert = [], gone = [], total }) {
        const leaving = new Set(gone.filter((id) => this.#byId.delete(id)));
        if (leaving.size > 0) this.#files = this.#files.filter((row) => !leaving.has(row.id));
        let sort = false;
        for (const row of upsert) {
            const known = this.#byId.get(row.id);
            if (known === undefined) {
                this.#byId.set(row.id, row);
                this.#files.push(row);
                sort = true;
            } else {
                sort ||= moment(known) !== moment(row);
                // In place: the list holds the same object.
                Object.assign(known, row);
            }
        }
        // A list that is almost in order is sorted in one pass.
        if (sort) this.#files.sort(newestFirst);
        this.#state.files.total = total ?? Math.max(this.#state.files.total, this.#files.length);
    }

    #tell(sections) {
        for (const listener of this.#listeners) listener(sections);
    }
}
