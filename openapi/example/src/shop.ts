/**
 * The shop as a frontend sees it. Every path, parameter, body and answer has its type from the API's document, so a
 * misspelt field does not compile. Copy this file as it is.
 */
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type Api = Client<paths>;

type Schemas = components["schemas"];
export type Order = Schemas["Order"];
export type Payment = Schemas["Payment"];
export type Problem = Schemas["Problem"];

/** What the shop says when it cannot do what it was asked. Switch on `code`, show `message`. */
export class ShopError extends Error {
  override readonly name = "ShopError";

  constructor(readonly problem: Problem) {
    super(problem.detail);
  }

  /** Stable and made for programs: `out_of_stock`, `validation_failed`, … */
  get code(): string {
    return this.problem.code;
  }

  /** What to write beside which field of a form, e.g. `password` → `must have 8 to 128 characters`. */
  get fields(): Map<string, string> {
    return new Map(this.problem.errors?.map((fault) => [fault.field, fault.message]));
  }
}

interface Outcome<T> {
  data?: T;
  error?: Problem;
  response: Response;
}

/** What was answered, with its headers; or a `ShopError` is thrown. */
export async function answered<T>(call: Promise<Outcome<T>>): Promise<{ data: T; headers: Headers }> {
  const { data, error, response } = await call;
  if (!response.ok) throw new ShopError(isProblem(response) && error ? error : unexplained(response));
  if (data === undefined) throw new TypeError(`${response.url} answered without a body`);
  return { data, headers: response.headers };
}

/** What was answered; or a `ShopError` is thrown. */
export async function body<T>(call: Promise<Outcome<T>>): Promise<T> {
  return (await answered(call)).data;
}

function isProblem(response: Response): boolean {
  return response.headers.get("Content-Type")?.startsWith("application/problem+json") ?? false;
}

/** The shop always explains itself; a proxy in front of it may not. */
function unexplained({ status, statusText, url }: Response): Problem {
  const detail = `The shop cannot be reached (${status}). Try again in a moment.`;
  return { type: "about:blank", title: statusText, status, detail, instance: url, code: "unreachable", request_id: "" };
}

/** Nobody in particular: may browse, fill a cart and register. */
export function visit(shop: string): Api {
  return createClient<paths>({ baseUrl: shop });
}

/** Somebody who is signed in. Their requests carry the access token, and a new one once it has expired. */
export class Session {
  readonly api: Api;
  #refreshing: Promise<void> | undefined;

  private constructor(
    private readonly shop: string,
    private tokens: Schemas["TokenPair"],
  ) {
    this.api = createClient<paths>({ baseUrl: shop, fetch: (request) => this.#send(request) });
  }

  /** With a `cart_id`, the cart that was filled before becomes theirs. */
  static async signIn(shop: string, login: Schemas["Login"]): Promise<Session> {
    return new Session(shop, await body(visit(shop).POST("/api/auth/login", { body: login })));
  }

  async #send(request: Request): Promise<Response> {
    const again = request.clone(); // because a body can be sent only once
    const used = this.tokens.access;
    const response = await fetch(authorized(request, used));
    if (response.status !== 401) return response;
    if (this.tokens.access === used) await this.#refresh();
    return fetch(authorized(again, this.tokens.access));
  }

  /**
   * Requests that fail at the same time share one exchange. Two exchanges would both be answered, but only one of the
   * answers can go on: once a newer refresh token was used, an older one counts as stolen and ends the session. So tabs
   * that share a session keep its tokens in one place, e.g. `localStorage`, and read them there before they exchange one.
   */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#exchange().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #exchange(): Promise<void> {
    const { refresh } = this.tokens;
    this.tokens = await body(visit(this.shop).POST("/api/auth/token/refresh", { body: { refresh } }));
  }
}

function authorized(request: Request, access: string): Request {
  request.headers.set("Authorization", `Bearer ${access}`);
  return request;
}
