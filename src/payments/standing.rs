//! The state machine of a payment: how it stands after something was heard of it.
//!
//! Everything that is heard (an answer, a webhook, a look-up) is a picture of the payment at the provider, and pictures
//! come late, twice, in any order or never. A standing only moves forward, to the latest picture, so the order does not
//! matter: money that was taken outweighs everything, money that went back outweighs that.

use super::{Outcome, Status};
use crate::money::Money;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub status: Status,
    /// How much of the amount has gone back.
    pub refunded: Money,
}

impl Standing {
    /// How a payment of `amount` stands after this was heard of it.
    #[must_use]
    pub fn after(self, amount: Money, outcome: &Outcome, refunded: Money) -> Self {
        if self.status.is_captured() || *outcome == Outcome::Captured {
            let refunded = self.refunded.max(refunded).min(amount);
            return Self { status: captured(amount, refunded), refunded };
        }
        let status = match (self.status, outcome) {
            (Status::Queued, Outcome::Processing | Outcome::Authorized) => Status::Processing,
            (Status::Queued | Status::Processing, Outcome::RequiresAction | Outcome::Approved) => {
                Status::RequiresAction
            }
            (open, Outcome::Failed { .. }) if open.is_open() => Status::Failed,
            (open, Outcome::Cancelled) if open.is_open() => Status::Cancelled,
            (known, _) => known, // late or repeated
        };
        Self { status, ..self }
    }
}

fn captured(amount: Money, refunded: Money) -> Status {
    match refunded {
        Money(0) => Status::Captured,
        part if part < amount => Status::PartiallyRefunded,
        _ => Status::Refunded,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AMOUNT: Money = Money(12_00);
    const NEW: Standing = Standing { status: Status::Queued, refunded: Money(0) };

    /// A picture of the payment at the provider: what it says, and how much went back.
    type Picture = (Outcome, i64);

    fn declined() -> Outcome {
        Outcome::Failed { code: "declined".to_owned(), message: String::new() }
    }

    /// What can happen to a payment at a provider, picture by picture, and how it stands in the end.
    fn histories() -> Vec<(Vec<Picture>, Status)> {
        use Outcome::{Approved, Cancelled, Captured, Processing, RequiresAction};
        vec![
            (vec![(Captured, 0)], Status::Captured),
            (vec![(Processing, 0), (Captured, 0)], Status::Captured),
            (vec![(RequiresAction, 0), (Approved, 0), (Captured, 0)], Status::Captured),
            (vec![(RequiresAction, 0), (declined(), 0), (Captured, 0)], Status::Captured),
            (vec![(RequiresAction, 0), (Cancelled, 0), (Captured, 0)], Status::Captured),
            (vec![(RequiresAction, 0), (Captured, 0), (Captured, 5_00)], Status::PartiallyRefunded),
            (vec![(Captured, 0), (Captured, 5_00), (Captured, 12_00)], Status::Refunded),
            (vec![(Processing, 0), (Captured, 0), (Captured, 12_00)], Status::Refunded),
            (vec![(Processing, 0), (RequiresAction, 0)], Status::RequiresAction),
            (vec![(RequiresAction, 0), (declined(), 0)], Status::Failed),
            (vec![(Processing, 0), (RequiresAction, 0), (Cancelled, 0)], Status::Cancelled),
        ]
    }

    fn hears(standing: Standing, picture: &Picture) -> Standing {
        standing.after(AMOUNT, &picture.0, Money(picture.1))
    }

    /// Every way in which three messengers (the answer, the webhook, the look-up) each bring a picture of the history
    /// never, once or twice, in every order.
    fn deliveries(pictures: usize) -> Vec<Vec<usize>> {
        let each: Vec<Vec<usize>> =
            (0..pictures).flat_map(|seen| [vec![seen], vec![seen, seen]]).chain([vec![]]).collect();
        let mut all = Vec::new();
        for answer in &each {
            for webhook in &each {
                for look_up in &each {
                    let heap = [answer.as_slice(), webhook, look_up].concat();
                    permute(&heap, &mut Vec::new(), &mut all);
                }
            }
        }
        all
    }

    fn permute(rest: &[usize], begun: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        if rest.is_empty() {
            all.push(begun.clone());
        }
        for (index, next) in rest.iter().enumerate() {
            if rest[..index].contains(next) {
                continue; // the same order again
            }
            let mut others = rest.to_vec();
            others.remove(index);
            begun.push(*next);
            permute(&others, begun, all);
            begun.pop();
        }
    }

    #[test]
    fn whatever_is_heard_in_whatever_order_the_last_picture_stays() {
        for (history, end) in histories() {
            let last = history.len() - 1;
            for heard in deliveries(history.len()).iter().filter(|heard| heard.contains(&last)) {
                let stands = heard.iter().fold(NEW, |standing, seen| hears(standing, &history[*seen]));
                assert_eq!(stands.status, end, "{history:?} heard as {heard:?}");
                assert_eq!(stands.refunded, Money(history[last].1), "{history:?} heard as {heard:?}");
            }
        }
    }

    #[test]
    fn what_was_heard_of_nobody_changes_nothing() {
        let heard: [Picture; 0] = [];
        assert_eq!(heard.iter().fold(NEW, hears), NEW);
    }

    fn rank(status: Status) -> u8 {
        match status {
            Status::Queued => 0,
            Status::Processing => 1,
            Status::RequiresAction => 2,
            Status::Failed | Status::Cancelled => 3,
            Status::Captured => 4,
            Status::PartiallyRefunded => 5,
            Status::Refunded => 6,
        }
    }

    fn any_picture() -> impl Strategy<Value = Picture> {
        let outcomes = prop_oneof![
            Just(Outcome::Processing),
            Just(Outcome::RequiresAction),
            Just(Outcome::Approved),
            Just(Outcome::Authorized),
            Just(Outcome::Captured),
            Just(Outcome::Cancelled),
            Just(declined()),
        ];
        (outcomes, 0_i64..20_00)
    }

    proptest! {
        #[test]
        fn a_payment_never_moves_back(pictures in prop::collection::vec(any_picture(), 0..12)) {
            let mut standing = NEW;
            for picture in &pictures {
                let next = hears(standing, picture);
                prop_assert!(next.status == standing.status || rank(next.status) > rank(standing.status));
                prop_assert!(next.refunded >= standing.refunded && next.refunded <= AMOUNT);
                prop_assert_eq!(next.refunded > Money(0), rank(next.status) >= 5);
                prop_assert_eq!(hears(next, picture), next, "the same again changes nothing");
                standing = next;
            }
        }

        #[test]
        fn money_that_was_taken_is_never_forgotten(pictures in prop::collection::vec(any_picture(), 0..12)) {
            let stands = pictures.iter().fold(NEW, hears);
            let taken = pictures.iter().any(|(outcome, _)| *outcome == Outcome::Captured);
            prop_assert_eq!(stands.status.is_captured(), taken);
        }
    }
}
