//! Which worker runs which jobs, in the programs of `workers/` and in `serve`.

use platform::{
    db,
    jobs::worker::{Worker, measure_queues},
};

use crate::{
    accounts::jobs::{
        SendAccountClosedEmail, SendEmailChangeLink, SendEmailChangeRequestedEmail, SendEmailChangedEmail,
        SendPasswordChangedEmail, SendPasswordResetEmail, SendSessionEndedEmail, SendVerificationEmail,
    },
    catalog::jobs::DeleteImages,
    checkout::jobs::{EXPIRE_EVERY, ExpireUnpaid},
    inventory::{
        self,
        jobs::{RECONCILE_EVERY as RECONCILE_STOCK_EVERY, ReconcileOrderStock, ReconcileStock, SendLowStockEmail},
    },
    orders::jobs::{CancelRefunded, SendOrderConfirmationEmail, SendOrderStatusEmail},
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
        .takes::<SendOrderConfirmationEmail>()
        .takes::<SendVerificationEmail>()
        .takes::<SendPasswordResetEmail>()
        .takes::<SendPasswordChangedEmail>()
        .takes::<SendOrderStatusEmail>()
        .takes::<SendLowStockEmail>()
        .takes::<SendSessionEndedEmail>()
        .takes::<SendEmailChangeLink>()
        .takes::<SendEmailChangeRequestedEmail>()
        .takes::<SendEmailChangedEmail>()
        .takes::<SendAccountClosedEmail>()
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

/// Checks of stock, unpaid orders that expire, images that nothing shows any more, and the deletion of expired data.
#[must_use]
pub fn stock() -> Worker<Shop> {
    Worker::new(Queue::Stock.as_str())
        .takes::<ReconcileOrderStock>()
        .takes::<CancelRefunded>()
        .takes::<DeleteImages>()
        .takes_every::<ReconcileStock>(RECONCILE_STOCK_EVERY)
        .takes_every::<ExpireUnpaid>(EXPIRE_EVERY)
        .takes_every::<Sweep>(SWEEP_EVERY)
}

/// Updates the gauges of `/metrics`.
///
/// # Errors
/// When the database is unavailable.
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
