//! Waiting until nothing is under way any more, and what an admin does meanwhile.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::World;
use crate::support::people::money;

impl World {
    /// An admin gives money back: of each tenth captured payment a part, of the one after it all.
    pub async fn gives_some_back(&self) {
        let captured: Vec<(uuid::Uuid,)> = self
            .site
            .db
            .query("SELECT id FROM payments WHERE status = 'captured' ORDER BY id")
            .fetch_all()
            .await
            .unwrap();
        for (index, (payment,)) in captured.iter().enumerate() {
            let body = match index % 10 {
                0 => json!({"amount": "1.25"}),
                1 => json!({}),
                _ => continue,
            };
            let path = format!("/api/payments/{payment}/refund");
            let key = format!("refund-{payment}");
            let (status, answer) = self.site.post(&path, &self.admin, Some(&key), &body).await.expect("an answer");
            assert!(status == 202 || status == 409, "{status} {answer}");
        }
    }

    /// Whether no order waits for money, no money is on its way, and no job is left.
    pub async fn is_quiet(&self) -> bool {
        sleep(Duration::from_millis(250)).await;
        let open = self.site.count(
            "SELECT (SELECT COUNT(*) FROM payments WHERE status IN ('queued', 'processing', 'requires_action'))
                  + (SELECT COUNT(*) FROM refunds WHERE status IN ('queued', 'processing'))
                  + (SELECT COUNT(*) FROM orders WHERE status = 'pending')
                  + (SELECT COUNT(*) FROM webhooks WHERE processed_at IS NULL)
                  + (SELECT COUNT(*) FROM jobs WHERE kind IN ('payments.refund', 'payments.cancel', 'payments.look_up', 'orders.cancel_refunded')
                                                AND state IN ('pending', 'running'))",
        );
        !self.gives_back_what_failed().await && open.await == 0 && self.simulator.webhooks_under_way() == 0
    }

    /// An admin gives back what the shop may not keep and could not give back. Whether there was any.
    async fn gives_back_what_failed(&self) -> bool {
        let kept: Vec<(uuid::Uuid, i64)> = self
            .site
            .db
            .query(
                "SELECT id, kept FROM (
                     SELECT p.id, p.captured - p.refunded - CASE
                         WHEN o.status = 'cancelled' OR p.status NOT IN ('captured', 'partially_refunded') OR EXISTS (
                             SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.reason = 'late_money') THEN 0
                         ELSE p.amount END AS kept
                     FROM payments p JOIN orders o ON o.id = p.order_id
                     WHERE NOT EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.status IN ('queued', 'processing'))
                 ) unwanted WHERE kept > 0",
            )
            .fetch_all()
            .await
            .unwrap();
        for (payment, cents) in &kept {
            let path = format!("/api/payments/{payment}/refund");
            let amount = json!({"amount": money(*cents)});
            let answer = self.site.post(&path, &self.admin, None, &amount).await.expect("an answer");
            assert!(matches!(answer.0, 202 | 409 | 422), "{} {}", answer.0, answer.1);
        }
        !kept.is_empty()
    }

    /// What a story that does not become quiet has to say.
    pub async fn what_is_left(&self) -> String {
        let left: Vec<(String, String, i64, String)> = self
            .site
            .db
            .query(
                "SELECT 'payment' AS what, status, COUNT(*) AS count, MIN(provider) AS example FROM payments
                 WHERE status IN ('queued', 'processing', 'requires_action') GROUP BY status
                 UNION ALL SELECT 'refund', status, COUNT(*), MIN(reason) FROM refunds
                 WHERE status IN ('queued', 'processing') GROUP BY status
                 UNION ALL SELECT 'order', status, COUNT(*), MIN(payment_status) FROM orders
                 WHERE status = 'pending' GROUP BY status
                 UNION ALL SELECT 'webhook', 'unprocessed', COUNT(*), MIN(provider) FROM webhooks
                 WHERE processed_at IS NULL GROUP BY provider
                 UNION ALL SELECT kind, state, COUNT(*), COALESCE(MAX(last_error), '') FROM jobs
                 WHERE state <> 'done' GROUP BY kind, state",
            )
            .fetch_all()
            .await
            .unwrap();
        let lines = left.iter().map(|(what, how, count, example)| format!("{count} {what} {how}: {example}"));
        let under_way = format!("{} webhooks under way", self.simulator.webhooks_under_way());
        lines.chain([under_way]).collect::<Vec<_>>().join("\n")
    }
}
