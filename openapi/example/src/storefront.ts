/** A whole visit to the shop: browse, fill a cart, register, order, and watch the order on its way. */
import { type OrderEvent, follow } from "./events.js";
import { type Order, Session, ShopError, answered, body, visit } from "./shop.js";

const shop = process.env["SHOP"] ?? "http://127.0.0.1:8000";
const visitor = visit(shop);

// Browse. A list is a plain array; how many there are in all is in a header.
const { data: products, headers } = await answered(
  visitor.GET("/api/products", {
    params: { query: { search: "coffee", in_stock: true, max_price: "50", ordering: "price", per_page: 3 } },
  }),
);
console.log(`${headers.get("X-Total-Count")} products for coffee lovers, the cheapest first:`);
for (const { name, price } of products) console.log(`  ${price}  ${name}`);
const [product] = products;
if (!product) throw new Error("This shop sells no coffee things. Start it with --demo.");

// Fill a cart before anybody has signed in. Keep its id, e.g. in localStorage: it is the key to the cart.
const { id: cart_id } = await body(visitor.POST("/api/carts"));
const items = { params: { path: { cart_id } } };
const cart = await body(
  visitor.POST("/api/carts/{cart_id}/items", { ...items, body: { product: product.id, quantity: 2 } }),
);
console.log(`In the cart: ${cart.total_items} pieces for ${cart.total_price}`);

// What goes wrong has a code to switch on, and words to show.
try {
  await body(visitor.POST("/api/carts/{cart_id}/items", { ...items, body: { product: product.id, quantity: product.stock } }));
} catch (error) {
  if (!(error instanceof ShopError) || error.code !== "out_of_stock") throw error;
  console.log(`Too many: ${error.message}`);
}

// Register. A form hears of all its faults at once, each with its field.
const email = `ada.${crypto.randomUUID()}@example.com`;
const password = crypto.randomUUID();
try {
  await body(visitor.POST("/api/auth/register", { body: { email: "ada", password: "short" } }));
} catch (error) {
  if (!(error instanceof ShopError) || error.code !== "validation_failed") throw error;
  for (const [field, message] of error.fields) console.log(`  ${field} ${message}`);
}
await body(visitor.POST("/api/auth/register", { body: { email, password, address: "12 Mill Lane, Falmouth" } }));

// Sign in. The cart comes along.
const customer = await Session.signIn(shop, { email, password, cart_id });
const { total_price } = await body(customer.api.GET("/api/cart"));
console.log(`Signed in as ${email}, with a cart of ${total_price}`);

// Order. One key for one click on "Buy": when the answer is lost, the same request again gives the same order.
const checkout = {
  params: { header: { "Idempotency-Key": crypto.randomUUID() } },
  body: { expected_total: total_price },
};
const order = await body(customer.api.POST("/api/orders", checkout));
const again = await body(customer.api.POST("/api/orders", checkout));
if (again.id !== order.id) throw new Error("The same Idempotency-Key made a second order.");
console.log(`Ordered: ${order.order_number}, ${order.total_price}, ${order.status}`);

// Follow the order, while the other side of the shop works on it.
const admin = await Session.signIn(shop, {
  email: process.env["ADMIN_EMAIL"] ?? "admin@example.com",
  password: process.env["ADMIN_PASSWORD"] ?? "demo-admin-1",
});
const leave = AbortSignal.timeout(60_000);
const seen = await watch("shipped");

// The page was closed; the shop works on. Opened again, it is told first what happened in between.
await moveOn("shipped");
await watch("delivered", seen);

/** Shows what happens to the order until it has the status. Answers where to go on. */
async function watch(until: Order["status"], after?: string): Promise<string | undefined> {
  let status: Order["status"] | undefined;
  for await (const event of follow(customer, order.id, { signal: leave, after })) {
    show(event);
    if (event.type !== "order" || event.order.status === status) continue;
    status = event.order.status;
    if (status === until) return event.id;
    await moveOn(status);
  }
  throw new Error(`The order was not seen to be ${until}.`);
}

function show(event: OrderEvent): void {
  switch (event.type) {
    case "order":
      console.log(`  The order is ${event.order.status}, its payment ${event.order.payment_status}`);
      break;
    case "payment":
      console.log(`  The payment of ${event.payment.amount} is ${event.payment.status}`);
      break;
  }
}

/** What an admin does with an order that has this status. */
async function moveOn(from: Order["status"]): Promise<void> {
  const steps: Partial<Record<Order["status"], "confirmed" | "shipped" | "delivered">> = {
    pending: "confirmed",
    confirmed: "shipped",
    shipped: "delivered",
  };
  const status = steps[from];
  if (!status) return;
  const params = { path: { id: order.id } };
  await body(admin.api.PUT("/api/orders/{id}/status", { params, body: { status } }));
}
