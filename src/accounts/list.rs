//! The list of users that admins search.

use platform::{
    db::{Query, Result, Tx, containing},
    http::paging::Page,
};

use super::{Role, User, lookup_key, store::user_columns};

/// Which users to list.
#[derive(Default)]
pub struct UserFilter {
    /// A [`lookup_key`] contained in the e-mail, the username, or the first and last name.
    pub search: Option<String>,
    pub role: Option<Role>,
    pub is_active: Option<bool>,
}

/// The value of [`UserFilter::search`] for a text that an admin typed; `None` when it is blank.
pub fn search_key(typed: &str) -> Option<String> {
    let words = lookup_key(&typed.split_whitespace().collect::<Vec<_>>().join(" "));
    Some(words).filter(|words| !words.is_empty())
}

/// A page of users, newest first, and how many there are in all.
pub async fn users(tx: &mut Tx, filter: &UserFilter, page: Page) -> Result<(Vec<User>, i64)> {
    let (total,): (i64,) = filtered(tx.query("SELECT COUNT(*) FROM users u WHERE TRUE"), filter).fetch_one().await?;
    let columns = tx.query(concat!("SELECT ", user_columns!(), " FROM users u WHERE TRUE"));
    let ordered = filtered(columns, filter).push(" ORDER BY u.created_at DESC, u.id DESC");
    let rows = ordered.push_bind(" LIMIT $?", page.size).push_bind(" OFFSET $?", page.offset()).fetch_all().await?;
    Ok((rows, total))
}

fn filtered<'a>(mut query: Query<'a>, filter: &UserFilter) -> Query<'a> {
    if let Some(text) = &filter.search {
        query = query.push_bind(
            " AND (u.email_key LIKE $? ESCAPE '\\' OR u.username_key LIKE $? ESCAPE '\\' OR u.search_name LIKE $? ESCAPE '\\')",
            containing(text),
        );
    }
    if let Some(role) = filter.role {
        query = query.push_bind(" AND u.role = $?", role);
    }
    match filter.is_active {
        Some(active) => query.push_bind(" AND u.is_active = $?", active),
        None => query,
    }
}
