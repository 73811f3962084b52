//! The chapters of the API document.

use poem_openapi::Tags;

#[derive(Tags)]
pub enum Tag {
    /// Registration, sign-in, passwords and the profile.
    Accounts,
    /// Products, categories and brands. Everyone can read them; admins can change them.
    Catalog,
    /// Customers' reviews of products.
    Reviews,
    /// A customer's wishlist.
    Wishlist,
    /// The shopping cart of a user or an anonymous visitor.
    Cart,
    /// Placing, tracking and cancelling orders.
    Orders,
    /// Paying for orders, and refunds.
    Payments,
    /// Sales and stock figures for admins.
    Dashboard,
    /// Managing the shop: users, stock, reviews, webhooks and background jobs.
    Admin,
    /// Health checks and metrics for monitoring.
    Operations,
}
