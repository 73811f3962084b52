//! The state machine of a payment: its state after a report.
//!
//! Every report (a response, or what was retrieved after a webhook or by a scheduled job) is a snapshot of the payment at
//! the provider, and snapshots come late, twice, in any order or never. A state only moves forward, to the latest snapshot,
//! so the order does not matter: money that was captured outweighs everything, money that was refunded outweighs that.
//!
//! What was received may differ from the amount. Less does not pay: such a payment has failed, and its money is refunded.
//!
//! Refunds are reported one by one, and each only moves forward, too ([`RefundStatus::after`]). What was refunded is the sum
//! of those that succeeded. A bank may return one later: then the sum falls, while the status of the payment stays.

use platform::money::Money;

use super::{Outcome, Status, providers::RefundOutcome, refunds::RefundStatus};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentState {
    pub status: Status,
    /// How much the provider received.
    pub captured: Money,
    /// How much of that was refunded.
    pub refunded: Money,
}

impl PaymentState {
    /// The state of a payment of `amount` after this outcome was reported.
    #[must_use]
    pub fn after(self, amount: Money, outcome: &Outcome) -> Self {
        if let Outcome::Captured(received) = outcome {
            return Self { captured: self.captured.max(*received), ..self }.with_received(amount);
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

    /// After money was received. Only all of the amount pays.
    fn with_received(self, amount: Money) -> Self {
        let status = match self.status {
            known if known.is_captured() => known,
            _ if self.captured >= amount => Status::Captured,
            open if open.is_open() => Status::Failed,
            ended => ended,
        };
        Self { status, ..self }.with_refunded(self.refunded)
    }

    /// When so much of it was refunded in all.
    #[must_use]
    pub fn with_refunded(self, refunded: Money) -> Self {
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
    /// The status of a refund after this outcome was reported. One that succeeded may still fail: a bank returns it.
    ///
    /// `known`: whether the provider ever had it. One that failed without was rejected, or seemed to be; if the provider has
    /// it after all, its status is the provider's.
    #[must_use]
    pub fn after(self, known: bool, reported: &RefundOutcome) -> Self {
        let reported = match reported {
            RefundOutcome::Processing => Self::Processing,
            RefundOutcome::Succeeded => Self::Succeeded,
            RefundOutcome::Failed(_) => Self::Failed,
        };
        let rejected = self == Self::Failed && !known;
        if rejected || reported.rank() > self.rank() { reported } else { self }
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
    const NEW: PaymentState = PaymentState { status: Status::Queued, captured: Money(0), refunded: Money(0) };
    /// The amount of each refund of a snapshot, by its place there.
    const REFUNDS: [i64; 3] = [5_00, 7_00, 1_00];
    const ALL: Outcome = Outcome::Captured(AMOUNT);

    /// A snapshot of the payment at the provider: its outcome, and that of each refund, if there is one.
    type Snapshot = (Outcome, [Option<RefundOutcome>; 3]);

    /// A payment and its refunds, as we know them.
    #[derive(Clone, Debug, PartialEq)]
    struct Known {
        state: PaymentState,
        refunds: [Option<RefundStatus>; 3],
    }

    impl Known {
        fn nothing() -> Self {
            Self { state: NEW, refunds: [None; 3] }
        }

        fn with(mut self, (outcome, refunds): &Snapshot) -> Self {
            for (known, reported) in self.refunds.iter_mut().zip(refunds) {
                if let Some(reported) = reported {
                    *known = Some(known.unwrap_or(RefundStatus::Queued).after(true, reported));
                }
            }
            let state = self.state.after(AMOUNT, outcome).with_refunded(self.refunded());
            Self { state, ..self }
        }

        fn refunded(&self) -> Money {
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

    fn without_refunds(outcome: Outcome) -> Snapshot {
        (outcome, [None, None, None])
    }

    fn failed() -> RefundOutcome {
        RefundOutcome::Failed(String::new())
    }

    /// What can happen to a payment at a provider, snapshot by snapshot, and the state in the end: its status, what was
    /// captured and what was refunded.
    fn histories() -> Vec<(Vec<Snapshot>, Status, i64, i64)> {
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

    /// Every way in which three sources (the response, the webhook, the scheduled job) each report a snapshot of the history
    /// never, once or twice, in every order.
    fn deliveries(snapshots: usize) -> Vec<Vec<usize>> {
        let each: Vec<Vec<usize>> =
            (0..snapshots).flat_map(|seen| [vec![seen], vec![seen, seen]]).chain([vec![]]).collect();
        let mut all = Vec::new();
        for response in &each {
            for webhook in &each {
                for scheduled in &each {
                    let reported = [response.as_slice(), webhook, scheduled].concat();
                    permute(&reported, &mut Vec::new(), &mut all);
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

    fn after_all(history: &[Snapshot], reported: &[usize]) -> Known {
        reported.iter().fold(Known::nothing(), |known, seen| known.with(&history[*seen]))
    }

    #[test]
    fn whatever_is_reported_in_whatever_order_the_last_snapshot_wins() {
        for (history, status, captured, refunded) in histories() {
            let last = history.len() - 1;
            let end = PaymentState { status, captured: Money(captured), refunded: Money(refunded) };
            for order in deliveries(history.len()).iter().filter(|order| order.contains(&last)) {
                assert_eq!(after_all(&history, order).state, end, "{history:?} reported as {order:?}");
            }
        }
    }

    /// A bank returns a refund that had succeeded. The status of the payment stays; the amounts say where the money is.
    #[test]
    fn a_refund_that_is_returned_does_not_count_in_whatever_order_it_is_reported() {
        let snapshot = |refund| (ALL, [Some(refund), None, None]);
        let history = [RefundOutcome::Processing, RefundOutcome::Succeeded, failed()].map(snapshot);
        for order in deliveries(3).iter().filter(|order| order.contains(&2)) {
            let state = after_all(&history, order).state;
            assert_eq!((state.captured, state.refunded), (AMOUNT, Money(0)), "reported as {order:?}");
            assert!(state.status.is_captured(), "reported as {order:?}");
        }
    }

    #[test]
    fn a_rejected_refund_that_the_provider_has_after_all_has_its_status() {
        for (reported, status) in
            [(RefundOutcome::Processing, RefundStatus::Processing), (RefundOutcome::Succeeded, RefundStatus::Succeeded)]
        {
            assert_eq!(RefundStatus::Failed.after(false, &reported), status);
            assert_eq!(RefundStatus::Failed.after(true, &reported), RefundStatus::Failed);
        }
    }

    #[test]
    fn no_report_changes_nothing() {
        assert_eq!(after_all(&[], &[]), Known::nothing());
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

    fn any_snapshot() -> impl Strategy<Value = Snapshot> {
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
        fn a_payment_never_moves_back(snapshots in prop::collection::vec(any_snapshot(), 0..12)) {
            let mut known = Known::nothing();
            for snapshot in &snapshots {
                let next = known.clone().with(snapshot);
                let (before, after) = (known.state, next.state);
                prop_assert!(after.status == before.status || rank(after.status) > rank(before.status));
                prop_assert!(after.captured >= before.captured);
                prop_assert!(after.refunded <= after.captured);
                prop_assert!(after.refunded == Money(0) || after.status.is_captured() == (rank(after.status) >= 5));
                prop_assert_eq!(next.clone().with(snapshot), next.clone(), "the same again changes nothing");
                known = next;
            }
        }

        #[test]
        fn captured_money_is_never_forgotten_and_only_all_of_it_pays(
            snapshots in prop::collection::vec(any_snapshot(), 0..12)
        ) {
            let state = snapshots.iter().fold(Known::nothing(), Known::with).state;
            let most = snapshots.iter().filter_map(|(outcome, _)| outcome.received()).max();
            prop_assert_eq!(state.captured, most.unwrap_or(Money(0)));
            prop_assert_eq!(state.status.is_captured(), most.is_some_and(|most| most >= AMOUNT));
        }

        #[test]
        fn the_order_decides_no_amount(snapshots in prop::collection::vec(any_snapshot(), 0..8), turn in 0_usize..8) {
            let amounts = |snapshots: &[Snapshot]| {
                let state = snapshots.iter().fold(Known::nothing(), Known::with).state;
                (state.captured, state.refunded)
            };
            let mut turned = snapshots.clone();
            turned.rotate_left(turn.min(snapshots.len()));
            prop_assert_eq!(amounts(&snapshots), amounts(&turned));
        }
    }
}
