//! Every problem type of the platform and the features. The API document and the pages at `/problems/{code}` show them.

use std::sync::LazyLock;

use platform::{
    http::{problem::ProblemType, problem_types as platform_problems},
    problem_types,
};

use crate::{accounts, carts, catalog, checkout, inventory, orders, payments, pricing, reviews};

problem_types! {
    NOT_READY = 503 "not_ready",
        "The database is unavailable.",
        "Send requests to another process until this one is ready.";
}

/// By status, then by code.
pub static ALL: LazyLock<Vec<ProblemType>> = LazyLock::new(|| {
    let declared = [
        platform_problems::PROBLEMS,
        accounts::problems::PROBLEMS,
        catalog::problems::PROBLEMS,
        inventory::problems::PROBLEMS,
        pricing::problems::PROBLEMS,
        carts::problems::PROBLEMS,
        orders::problems::PROBLEMS,
        payments::problems::PROBLEMS,
        checkout::problems::PROBLEMS,
        reviews::problems::PROBLEMS,
        PROBLEMS,
    ];
    let mut all = declared.concat();
    all.sort_unstable_by_key(|kind| (kind.status, kind.code));
    all
});

#[must_use]
pub fn find(code: &str) -> Option<&'static ProblemType> {
    ALL.iter().find(|kind| kind.code == code)
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn no_code_is_declared_twice() {
        let mut codes: Vec<_> = ALL.iter().map(|kind| kind.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
    }
}
