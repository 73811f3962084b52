//! The chapters of the API document.

use poem_openapi::Tags;

#[derive(Tags)]
pub enum Tag {
    /// Registration, sign-in and the profile.
    Accounts,
    /// Products, categories and brands. Public to read; admins change them.
    Catalog,
    /// What buyers say of products.
    Reviews,
    /// What a customer would like to have.
    Wishlist,
    /// What a customer is about to buy.
    Cart,
    /// Placing orders and following them.
    Orders,
    /// Paying for orders.
    Payments,
    /// How the shop is doing, for admins.
    Dashboard,
    /// Running the shop: stock and background jobs.
    Admin,
    /// Is it alive, is it ready, how is it doing. For machines that watch it.
    Operations,
}
