//! Which worker takes which jobs. The programs in `workers/` and `serve` run these same lists.

use platform::{
    db,
    jobs::worker::{Worker, measure_queues},
};

use crate::{
    accounts::jobs::{
        SendEmailChange, SendPasswordReset, SendVerification, TellAccountClosed, TellEmailChangeAsked,
        TellEmailChanged, TellPasswordChanged, TellSessionEnded,
    },
    catalog::jobs::DeletePictures,
    checkout::jobs::{EXPIRE_EVERY, ExpireUnpaid},
    inventory::{
        self,
        jobs::{self as stock, ProveOrderStock, ReconcileStock, TellLowStock},
    },
    orders::jobs::{CancelRefunded, SendConfirmation, TellStatus},
    payments::{
        inbox::jobs::HandleWebhook,
        jobs::{CHECK_EVERY, Cancel, CheckPending, Pay, Refresh},
        reconciliation::{
            self,
            jobs::{RECONCILE_EVERY, Reconcile},
        },
        refunds::jobs::SendRefund,
    },
    retention::jobs::{SWEEP_EVERY, Sweep},
    shop::{QUEUES, Queue, Shop},
};

/// E-mail. Slow mail never delays payments, which have their own worker.
#[must_use]
pub fn email() -> Worker<Shop> {
    Worker::new(Queue::Email.as_str())
        .takes::<SendConfirmation>()
        .takes::<SendVerification>()
        .takes::<SendPasswordReset>()
        .takes::<TellPasswordChanged>()
        .takes::<TellStatus>()
        .takes::<TellLowStock>()
        .takes::<TellSessionEnded>()
        .takes::<SendEmailChange>()
        .takes::<TellEmailChangeAsked>()
        .takes::<TellEmailChanged>()
        .takes::<TellAccountClosed>()
}

/// Everything that talks to payment providers.
#[must_use]
pub fn payment() -> Worker<Shop> {
    Worker::new(Queue::Payment.as_str())
        .takes::<Pay>()
        .takes::<Cancel>()
        .takes::<SendRefund>()
        .takes::<Refresh>()
        .takes::<HandleWebhook>()
        .takes_every::<CheckPending>(CHECK_EVERY)
        .takes_every::<Reconcile>(RECONCILE_EVERY)
}

/// The proofs that stock adds up, the stock of unpaid orders that ran out of time, pictures that nobody shows any more,
/// and the sweeping of what has served its time.
#[must_use]
pub fn stock() -> Worker<Shop> {
    Worker::new(Queue::Stock.as_str())
        .takes::<ProveOrderStock>()
        .takes::<CancelRefunded>()
        .takes::<DeletePictures>()
        .takes_every::<ReconcileStock>(stock::EVERY)
        .takes_every::<ExpireUnpaid>(EXPIRE_EVERY)
        .takes_every::<Sweep>(SWEEP_EVERY)
}

/// Keeps the gauges of `/metrics` fresh.
pub async fn measure(shop: &Shop) -> db::Result<()> {
    measure_queues(shop, &QUEUES.map(Queue::as_str)).await?;
    inventory::measure(shop).await?;
    reconciliation::measure(shop).await
}

/// All three.
#[must_use]
pub fn all() -> [Worker<Shop>; 3] {
    [email(), payment(), stock()]
}
