//! The cards of Stripe's test mode that the simulator knows, and two of its own.

/// What a card does.
pub(super) enum Fate {
    Pays,
    /// The codes that Stripe says of it.
    Declined {
        code: &'static str,
        decline_code: &'static str,
    },
    /// The buyer proves who they are in the browser; without a buyer it is declined.
    NeedsTheBuyer,
    /// Pays, but the answer comes after the client has given up.
    Stalls,
    /// Nobody knows for a while, then it has paid.
    Settles,
}

pub struct Card {
    /// What a payment names it by, as `payment_method`.
    pub name: &'static str,
    pub does: &'static str,
    pub(super) fate: Fate,
}

pub const CARDS: [Card; 6] = [
    Card { name: "pm_card_visa", does: "pays", fate: Fate::Pays },
    Card {
        name: "pm_card_chargeDeclined",
        does: "is declined",
        fate: Fate::Declined { code: "card_declined", decline_code: "generic_decline" },
    },
    Card {
        name: "pm_card_visa_chargeDeclinedInsufficientFunds",
        does: "is declined: insufficient funds",
        fate: Fate::Declined { code: "card_declined", decline_code: "insufficient_funds" },
    },
    Card {
        name: "pm_card_authenticationRequired",
        does: "asks the buyer in the browser; declined when the shop charges it without one",
        fate: Fate::NeedsTheBuyer,
    },
    Card { name: "pm_card_stall", does: "pays, but the answer takes longer than a client waits", fate: Fate::Stalls },
    Card {
        name: "pm_card_processing",
        does: "stays in processing, and has paid when asked later",
        fate: Fate::Settles,
    },
];

pub(super) fn fate_of(name: &str) -> Option<&'static Fate> {
    CARDS.iter().find(|card| card.name == name).map(|card| &card.fate)
}

/// The cards as a table for people.
#[must_use]
pub fn table() -> String {
    CARDS.iter().map(|card| format!("  {:46}{}\n", card.name, card.does)).collect()
}
