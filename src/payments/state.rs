//! The state machine of a payment: how it stands after something was heard of it.
//!
//! Everything that is heard (an answer, a webhook, a look-up) is a picture of the payment at the provider, and pictures
//! come late, twice, in any order or never. A standing only moves forward, to the latest picture, so the order does not
//! matter: money that was taken outweighs everything, money that went back outweighs that.
//!
//! What was received need not be what was asked for. Less does not pay: such a payment has failed, and its money goes back.
//!
//! Refunds are heard of one by one, and each only moves forward, too ([`RefundStatus::after`]). What has gone back is the sum
//! of those that have arrived. A bank may send one back later: then the sum falls, while the status of the payment stays.

use platform::money::Money;

use super::{Outcome, Status, gateway::RefundOutcome, refunds::RefundStatus};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub status: Status,
    /// How much the provider received.
    pub captured: Money,
    /// How much of that has gone back.
    pub refunded: Money,
}

impl Standing {
    /// How a payment of `amount` stands after this was heard of it.
    #[must_use]
    pub fn after(self, amount: Money, outcome: &Outcome) -> Self {
        if let Outcome::Captured(received) = outcome {
            return Self { captured: self.captured.max(*received), ..self }.with_money(amount);
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

    /// After money came for it. Only all of it pays.
    fn with_money(self, amount: Money) -> Self {
        let status = match self.status {
            known if known.is_captured() => known,
            _ if self.captured >= amount => Status::Captured,
            open if open.is_open() => Status::Failed,
            ended => ended,
        };
        Self { status, ..self }.given_back(self.refunded)
    }

    /// When so much of it has gone back in all.
    #[must_use]
    pub fn given_back(self, refunded: Money) -> Self {
        let refunded = refunded.min(self.captured);
        let status = match self.status {
            known if !known.is_captured() || refunded == Money(0) => known,
            _ if refunded == self.captured => Status::Refunded,
            Status::Captured => Status::PartiallyRefunded,
            known => known,
        };
        Self { status, refunded, ..self }
    }
}

impl RefundStatus {
    /// How a refund stands after this was heard of it. What had succeeded may still fail: a bank sends it back.
    ///
    /// `known`: whether the provider ever had it. One that failed without was refused, or was said to be; if the provider
    /// has it after all, it is as the provider says.
    #[must_use]
    pub fn after(self, known: bool, heard: &RefundOutcome) -> Self {
        let heard = match heard {
            RefundOutcome::Processing => Self::Processing,
            RefundOutcome::Succeeded => Self::Succeeded,
            RefundOutcome::Failed(_) => Self::Failed,
        };
        let refused = self == Self::Failed && !known;
        if refused || heard.rank() > self.rank() { heard } else { self }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Processing => 1,
            Self::Succeeded => 2,
            Self::Failed => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AMOUNT: Money = Money(12_00);
    const NEW: Standing = Standing { status: Status::Queued, captured: Money(0), refunded: Money(0) };
    /// What each refund of a picture is about, by its place there.
    const REFUNDS: [i64; 3] = [5_00, 7_00, 1_00];
    const ALL: Outcome = Outcome::Captured(AMOUNT);

    /// A picture of the payment at the provider: what it says, and how each refund stands, if there is one.
    type Picture = (Outcome, [Option<RefundOutcome>; 3]);

    /// A payment and its refunds, as we know them.
    #[derive(Clone, Debug, PartialEq)]
    struct Known {
        standing: Standing,
        refunds: [Option<RefundStatus>; 3],
    }

    impl Known {
        fn nothing() -> Self {
            Self { standing: NEW, refunds: [None; 3] }
        }

        fn hears(mut self, (outcome, refunds): &Picture) -> Self {
            for (known, heard) in self.refunds.iter_mut().zip(refunds) {
                if let Some(heard) = heard {
                    *known = Some(known.unwrap_or(RefundStatus::Queued).after(true, heard));
                }
            }
            let standing = self.standing.after(AMOUNT, outcome).given_back(self.gone());
            Self { standing, ..self }
        }

        fn gone(&self) -> Money {
            let all = self.refunds.iter().zip(REFUNDS);
            Money(all.filter(|(known, _)| **known == Some(RefundStatus::Succeeded)).map(|(_, amount)| amount).sum())
        }
    }

    fn declined() -> Outcome {
        Outcome::Failed { code: "declined".to_owned(), message: String::new() }
    }

    fn received(cents: i64) -> Outcome {
        Outcome::Captured(Money(cents))
    }

    fn without_refunds(outcome: Outcome) -> Picture {
        (outcome, [None, None, None])
    }

    fn failed() -> RefundOutcome {
        RefundOutcome::Failed(String::new())
    }

    /// What can happen to a payment at a provider, picture by picture, and how it stands in the end: its status, what was
    /// captured and what went back.
    fn histories() -> Vec<(Vec<Picture>, Status, i64, i64)> {
        use Outcome::{Approved, Cancelled, Processing, RequiresAction};
        use RefundOutcome::{Processing as Pending, Succeeded};
        let plain = |outcomes: Vec<Outcome>, status, captured, refunded| {
            (outcomes.into_iter().map(without_refunds).collect::<Vec<_>>(), status, captured, refunded)
        };
        let short = || received(11_00);
        vec![
            plain(vec![ALL], Status::Captured, 12_00, 0),
            plain(vec![Processing, ALL], Status::Captured, 12_00, 0),
            plain(vec![RequiresAction, Approved, ALL], Status::Captured, 12_00, 0),
            plain(vec![RequiresAction, declined(), ALL], Status::Captured, 12_00, 0),
            plain(vec![RequiresAction, Cancelled, ALL], Status::Captured, 12_00, 0),
            plain(vec![Processing, RequiresAction], Status::RequiresAction, 0, 0),
            plain(vec![RequiresAction, declined()], Status::Failed, 0, 0),
            plain(vec![Processing, RequiresAction, Cancelled], Status::Cancelled, 0, 0),
            plain(vec![Processing, short()], Status::Failed, 11_00, 0),
            plain(vec![RequiresAction, Approved, short()], Status::Failed, 11_00, 0),
            plain(vec![RequiresAction, received(13_00)], Status::Captured, 13_00, 0),
            plain(vec![short(), ALL], Status::Captured, 12_00, 0),
            (
                vec![
                    without_refunds(short()),
                    (short(), [Some(Pending), None, None]),
                    (short(), [Some(Succeeded), None, None]),
                ],
                Status::Failed,
                11_00,
                5_00,
            ),
            (
                vec![without_refunds(ALL), (ALL, [Some(Pending), None, None]), (ALL, [Some(Succeeded), None, None])],
                Status::PartiallyRefunded,
                12_00,
                5_00,
            ),
            (
                vec![(ALL, [Some(Succeeded), None, None]), (ALL, [Some(Succeeded), Some(Succeeded), None])],
                Status::Refunded,
                12_00,
                12_00,
            ),
            (
                vec![(ALL, [Some(Pending), Some(Pending), None]), (ALL, [Some(failed()), Some(Succeeded), None])],
                Status::PartiallyRefunded,
                12_00,
                7_00,
            ),
            (vec![(ALL, [Some(Pending), None, None]), (ALL, [Some(failed()), None, None])], Status::Captured, 12_00, 0),
            (
                vec![without_refunds(received(13_00)), (received(13_00), [None, None, Some(Succeeded)])],
                Status::PartiallyRefunded,
                13_00,
                1_00,
            ),
        ]
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

    fn hears_all(history: &[Picture], heard: &[usize]) -> Known {
        heard.iter().fold(Known::nothing(), |known, seen| known.hears(&history[*seen]))
    }

    #[test]
    fn whatever_is_heard_in_whatever_order_the_last_picture_stays() {
        for (history, status, captured, refunded) in histories() {
            let last = history.len() - 1;
            let end = Standing { status, captured: Money(captured), refunded: Money(refunded) };
            for heard in deliveries(history.len()).iter().filter(|heard| heard.contains(&last)) {
                assert_eq!(hears_all(&history, heard).standing, end, "{history:?} heard as {heard:?}");
            }
        }
    }

    /// A bank sends back what had arrived. How far the payment had come stays; the amounts say where the money is.
    #[test]
    fn in_whatever_order_a_refund_that_is_sent_back_is_heard_of_it_does_not_count() {
        let picture = |refund| (ALL, [Some(refund), None, None]);
        let history = [RefundOutcome::Processing, RefundOutcome::Succeeded, failed()].map(picture);
        for heard in deliveries(3).iter().filter(|heard| heard.contains(&2)) {
            let standing = hears_all(&history, heard).standing;
            assert_eq!((standing.captured, standing.refunded), (AMOUNT, Money(0)), "heard as {heard:?}");
            assert!(standing.status.is_captured(), "heard as {heard:?}");
        }
    }

    #[test]
    fn a_refund_that_was_refused_is_as_the_provider_says_if_it_has_it_after_all() {
        for (heard, status) in
            [(RefundOutcome::Processing, RefundStatus::Processing), (RefundOutcome::Succeeded, RefundStatus::Succeeded)]
        {
            assert_eq!(RefundStatus::Failed.after(false, &heard), status);
            assert_eq!(RefundStatus::Failed.after(true, &heard), RefundStatus::Failed);
        }
    }

    #[test]
    fn what_was_heard_of_nobody_changes_nothing() {
        assert_eq!(hears_all(&[], &[]), Known::nothing());
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
            (0_i64..14_00).prop_map(received),
            Just(ALL),
            Just(Outcome::Cancelled),
            Just(declined()),
        ];
        let refund = || {
            prop_oneof![
                Just(None),
                Just(Some(RefundOutcome::Processing)),
                Just(Some(RefundOutcome::Succeeded)),
                Just(Some(failed())),
            ]
        };
        (outcomes, [refund(), refund(), refund()])
    }

    proptest! {
        #[test]
        fn a_payment_never_moves_back(pictures in prop::collection::vec(any_picture(), 0..12)) {
            let mut known = Known::nothing();
            for picture in &pictures {
                let next = known.clone().hears(picture);
                let (before, after) = (known.standing, next.standing);
                prop_assert!(after.status == before.status || rank(after.status) > rank(before.status));
                prop_assert!(after.captured >= before.captured);
                prop_assert!(after.refunded <= after.captured);
                prop_assert!(after.refunded == Money(0) || after.status.is_captured() == (rank(after.status) >= 5));
                prop_assert_eq!(next.clone().hears(picture), next.clone(), "the same again changes nothing");
                known = next;
            }
        }

        #[test]
        fn money_that_was_taken_is_never_forgotten_and_only_all_of_it_pays(
            pictures in prop::collection::vec(any_picture(), 0..12)
        ) {
            let stands = pictures.iter().fold(Known::nothing(), Known::hears).standing;
            let most = pictures.iter().filter_map(|(outcome, _)| outcome.received()).max();
            prop_assert_eq!(stands.captured, most.unwrap_or(Money(0)));
            prop_assert_eq!(stands.status.is_captured(), most.is_some_and(|most| most >= AMOUNT));
        }

        #[test]
        fn the_order_decides_no_amount(pictures in prop::collection::vec(any_picture(), 0..8), turn in 0_usize..8) {
            let amounts = |pictures: &[Picture]| {
                let stands = pictures.iter().fold(Known::nothing(), Known::hears).standing;
                (stands.captured, stands.refunded)
            };
            let mut turned = pictures.clone();
            turned.rotate_left(turn.min(pictures.len()));
            prop_assert_eq!(amounts(&pictures), amounts(&turned));
        }
    }
}
