// The stream of events. The browser connects again by itself after a broken connection, but not after an answer that is not
// a stream, so that is done here, more slowly each time.

const SLOWEST = 10_000;
/** A browser has six connections to a server over HTTP/1.1. Tabs that nobody sees give theirs back after this time. */
const HIDDEN = 60_000;

/** Starts the stream. `onLink` hears "open", "lost" and "denied". */
export function follow(store, onLink) {
    let source = null;
    let pause = 1_000;
    let again = 0;
    let hidden = 0;

    function take(method) {
        return (event) => {
            let data;
            try {
                data = JSON.parse(event.data);
            } catch {
                // A message that was cut: the next stream begins with a whole state.
                close();
                return later();
            }
            store[method](data);
        };
    }

    function close() {
        source?.close();
        source = null;
        clearTimeout(again);
    }

    function open() {
        close();
        source = new EventSource("/api/events");
        source.addEventListener("state", take("replace"));
        source.addEventListener("change", take("change"));
        source.addEventListener("open", () => {
            pause = 1_000;
            onLink("open");
        });
        source.addEventListener("error", () => {
            if (source?.readyState !== EventSource.CLOSED) return onLink("lost");
            refused();
        });
    }

    // The stream does not tell why it was refused; any other answer does.
    async function refused() {
        close();
        let status = 0;
        try {
            status = (await fetch("/icon.svg", { cache: "no-store" })).status;
        } catch {
            // No answer at all.
        }
        if (status === 401 || status === 403) return onLink("denied");
        onLink("lost");
        later();
    }

    function later() {
        clearTimeout(again);
        again = setTimeout(open, pause);
        pause = Math.min(pause * 2, SLOWEST);
    }

    document.addEventListener("visibilitychange", () => {
        clearTimeout(hidden);
        if (document.hidden) hidden = setTimeout(close, HIDDEN);
        else if (source === null) open();
    });
    open();
}
