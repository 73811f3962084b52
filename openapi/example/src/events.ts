/**
 * An order's events while they happen. The browser's `EventSource` cannot send the access token, so this reads the
 * stream that `fetch` gives. Copy this file as it is.
 */
import { type EventSourceMessage, EventSourceParserStream } from "eventsource-parser/stream";
import { type Order, type Payment, type Session, ShopError, body } from "./shop.js";

export type OrderEvent =
  | { type: "order"; id: string | undefined; order: Order }
  | { type: "payment"; id: string | undefined; payment: Payment };

/**
 * Follows an order until you `break` or `signal` aborts. A lost connection is made again and goes on after the last
 * event that was seen, so that none is missed; start with `after` to go on where an earlier call ended.
 */
export async function* follow(
  session: Session,
  order: number,
  { signal, after }: { signal: AbortSignal; after?: string | undefined },
): AsyncGenerator<OrderEvent> {
  let last = after;
  let wait = 1000;
  while (!signal.aborted) {
    try {
      const stream = await connect(session, order, signal, last);
      for await (const message of messages(stream, (retry) => (wait = retry))) {
        last = message.id ?? last;
        const event = read(message);
        if (event) yield event;
      }
    } catch (error) {
      if (!signal.aborted && !isPassing(error)) throw error;
    }
    await pause(wait, signal);
  }
}

async function connect(session: Session, id: number, signal: AbortSignal, last: string | undefined) {
  const header = last === undefined ? {} : { "Last-Event-ID": last };
  const params = { path: { id }, header };
  const stream = await body(session.api.GET("/api/orders/{id}/events", { params, signal, parseAs: "stream" }));
  if (!stream) throw new TypeError("the answer has no body");
  return stream;
}

/** Not every browser can `for await` over a stream. To `break` closes the connection. */
async function* messages(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onRetry: (milliseconds: number) => void,
): AsyncGenerator<EventSourceMessage> {
  const reader = stream
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream({ onRetry }))
    .getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => undefined); // it may have been lost already
  }
}

/** A kind of event that a later shop may send is left alone. */
function read({ event, id, data }: EventSourceMessage): OrderEvent | undefined {
  switch (event) {
    case "order": {
      const order: Order = JSON.parse(data);
      return { type: "order", id, order };
    }
    case "payment": {
      const payment: Payment = JSON.parse(data);
      return { type: "payment", id, payment };
    }
    default:
      return undefined;
  }
}

/** The network failed, which `fetch` tells by a `TypeError`, or the shop is busy or restarts. */
function isPassing(error: unknown): boolean {
  if (error instanceof ShopError) return error.problem.status === 429 || error.problem.status >= 500;
  return error instanceof TypeError;
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resume) => {
    const timer = setTimeout(resume, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resume();
    });
  });
}
