//! The comparison of the shop's payments with the providers' ledger.

use std::collections::{BTreeMap, BTreeSet};

use payment_simulator::Ledger;

use super::World;

impl World {
    /// To the cent, and each paid order once.
    pub async fn the_books_agree(&self) {
        let rows: Vec<(uuid::Uuid, i64, String, i64, i64, String, String)> = self
            .site
            .db
            .query(
                "SELECT p.id, p.order_id, p.status, p.captured, p.refunded, o.status, o.payment_status
                 FROM payments p JOIN orders o ON o.id = p.order_id",
            )
            .fetch_all()
            .await
            .unwrap();
        let theirs = books(&self.simulator.ledger());
        let mut wrong = Vec::new();
        let (mut known, mut kept_of): (BTreeSet<String>, BTreeMap<i64, i64>) = (BTreeSet::new(), BTreeMap::new());
        for (id, order, status, captured, refunded, order_status, paid) in &rows {
            known.insert(id.to_string());
            let ours = (i64::from(*captured > 0), *captured, *refunded);
            let said = theirs.get(&id.to_string()).copied().unwrap_or_default();
            if ours != said {
                wrong.push(format!(
                    "payment {id} is {status}: ours {ours:?}, theirs {said:?} (captures, taken, given back)"
                ));
            }
            if said.1 > said.2 {
                *kept_of.entry(*order).or_default() += 1;
                if paid != "paid" || order_status == "cancelled" {
                    wrong.push(format!("order {order} is {order_status} and {paid}, and its money is kept"));
                }
            } else if paid == "paid"
                && !kept_of.contains_key(order)
                && rows.iter().filter(|row| row.1 == *order).count() == 1
            {
                wrong.push(format!("order {order} is paid without money"));
            }
        }
        wrong.extend(
            theirs.keys().filter(|id| !known.contains(*id)).map(|id| format!("money for the unknown payment {id:?}")),
        );
        wrong.extend(
            kept_of
                .iter()
                .filter(|(_, kept)| **kept > 1)
                .map(|(order, kept)| format!("order {order} is paid {kept} times")),
        );
        let paid_orders = self.site.count("SELECT COUNT(*) FROM orders WHERE payment_status = 'paid'").await;
        if i64::try_from(kept_of.len()) != Ok(paid_orders) {
            wrong.push(format!("{paid_orders} orders are paid, money is kept of {}", kept_of.len()));
        }
        assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
        assert!(paid_orders > 0, "nobody paid");
        let ledger = self.simulator.ledger();
        println!(
            "{} captures, {} refunds, {paid_orders} paid orders: the books agree",
            ledger.captures.len(),
            ledger.refunds.len()
        );
    }
}

/// Of each of our payments how often money was taken for it, how much, and how much went back.
fn books(ledger: &Ledger) -> BTreeMap<String, (i64, i64, i64)> {
    let mut books: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
    for capture in &ledger.captures {
        let entry = books.entry(capture.payment_id.clone()).or_default();
        *entry = (entry.0 + 1, entry.1 + capture.amount, entry.2);
    }
    for refund in &ledger.refunds {
        books.entry(refund.payment_id.clone()).or_default().2 += refund.amount;
    }
    books
}
