//! The cards of Stripe's test mode that the simulator supports, and two of its own.

/// What happens when a card is charged.
pub(super) enum CardOutcome {
    Succeeds,
    Declined {
        code: &'static str,
        decline_code: &'static str,
    },
    /// The buyer authenticates in the browser. Declined in an off-session payment.
    RequiresAuthentication,
    /// Succeeds, but the response comes after the client's timeout.
    Stalls,
    /// Stays in `processing` for [`Options::processing_time`](crate::Options::processing_time), then succeeds.
    Processing,
}

/// A card that is charged without money.
pub struct TestCard {
    /// The value of `payment_method`.
    pub name: &'static str,
    /// What it does, for people.
    pub description: &'static str,
    pub(super) outcome: CardOutcome,
}

/// All test cards, Stripe's own first.
pub const TEST_CARDS: [TestCard; 6] = [
    TestCard { name: "pm_card_visa", description: "Succeeds", outcome: CardOutcome::Succeeds },
    TestCard {
        name: "pm_card_chargeDeclined",
        description: "Is declined",
        outcome: CardOutcome::Declined { code: "card_declined", decline_code: "generic_decline" },
    },
    TestCard {
        name: "pm_card_visa_chargeDeclinedInsufficientFunds",
        description: "Is declined: insufficient funds",
        outcome: CardOutcome::Declined { code: "card_declined", decline_code: "insufficient_funds" },
    },
    TestCard {
        name: "pm_card_authenticationRequired",
        description: "Requires authentication in the browser; declined in an off-session payment",
        outcome: CardOutcome::RequiresAuthentication,
    },
    TestCard {
        name: "pm_card_stall",
        description: "Succeeds, but the response comes after the client's timeout",
        outcome: CardOutcome::Stalls,
    },
    TestCard {
        name: "pm_card_processing",
        description: "Stays in processing for 30 seconds, then succeeds",
        outcome: CardOutcome::Processing,
    },
];

pub(super) fn card_outcome(name: &str) -> Option<&'static CardOutcome> {
    TEST_CARDS.iter().find(|card| card.name == name).map(|card| &card.outcome)
}

/// The test cards as a text table, one per line.
#[must_use]
pub fn test_card_table() -> String {
    TEST_CARDS.iter().map(|card| format!("  {:46}{}\n", card.name, card.description)).collect()
}
