//! The endpoints for admins to list and change users.

use platform::{
    clock::Timestamp,
    http::{
        body::Body,
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::{self, OptionalQuery},
        reply::{List, Reply},
    },
    validation::ValidationErrors,
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path};

use super::{
    AccessChange, Admin, Role, User,
    api::UserView,
    list::{self, UserFilter},
    store,
};
use crate::shop::{Shop, ids::UserId, tags::Tag};

/// A user account, as admins see it.
#[derive(Object)]
#[oai(rename = "AdminUser")]
struct AdminUserView {
    #[oai(flatten)]
    user: UserView,
    /// Whether the account is active. An inactive user cannot sign in and has no sessions.
    is_active: bool,
    /// When the user closed the account, which erased the personal data; `null` if it is not closed.
    closed_at: Option<Timestamp>,
}

impl From<User> for AdminUserView {
    fn from(user: User) -> Self {
        Self { is_active: user.is_active, closed_at: user.closed_at, user: user.into() }
    }
}

/// The fields of the user to change. A field left out keeps its value; `null` is not allowed.
#[derive(Object)]
struct UserChange {
    /// The new role. Applies from the user's next request.
    role: Option<Role>,
    /// Whether the account is active. `false` ends all sessions of the user immediately.
    is_active: Option<bool>,
}

pub struct UsersApi;

#[OpenApi(prefix_path = "/api/admin/users", tag = "Tag::Admin")]
impl UsersApi {
    /// Lists users, newest first.
    ///
    /// Filters are combined: `?role=customer&is_active=false` returns the customers who cannot sign in.
    #[oai(path = "/", method = "get", operation_id = "listUsers")]
    #[allow(clippy::too_many_arguments)] // one for each query parameter
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Only users whose e-mail address, username, or first and last name contain this text, ignoring case. At most
        /// 200 characters.
        search: OptionalQuery<String>,
        /// Only users with this role.
        role: OptionalQuery<Role>,
        /// Only active (`true`) or inactive (`false`) users.
        is_active: OptionalQuery<bool>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<AdminUserView>> {
        let mut errors = ValidationErrors::default();
        let filter = UserFilter {
            search: list::search_key(&errors.note(query::search(&search))),
            role: errors.note(role.get("role")),
            is_active: errors.note(is_active.get("is_active")),
        };
        let page = errors.note(Page::from_query(&page, &per_page));
        errors.into_result()?;
        let (users, total) = list::users(&mut shop.db.read().await?, &filter, page).await?;
        let shown = users.into_iter().map(Into::into).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Returns a user.
    ///
    /// The same fields as in the user's profile, plus `is_active` and `closed_at`.
    #[oai(path = "/:id", method = "get", operation_id = "getUser")]
    async fn get(&self, shop: Data<&Shop>, _by: Admin, id: Path<UserId>) -> ApiResult<Reply<AdminUserView>> {
        let user = store::find(&mut shop.db.read().await?, id.0).await?.ok_or_else(Problem::not_found)?;
        Ok(Reply::json(&user.into()))
    }

    /// Updates a user's role, or activates or deactivates the account.
    ///
    /// Deactivating a user ends their sessions: their tokens return 401 `session_revoked`. Admins cannot change their
    /// own account, so the shop always has an admin. An account that its user closed cannot be changed.
    ///
    /// Problems: `own_account`, `account_closed`.
    #[oai(path = "/:id", method = "patch", operation_id = "changeUser")]
    async fn change(
        &self,
        shop: Data<&Shop>,
        by: Admin,
        id: Path<UserId>,
        body: Body<UserChange>,
    ) -> ApiResult<Reply<AdminUserView>> {
        if store::find(&mut shop.db.read().await?, id.0).await?.is_none() {
            return Err(Problem::not_found());
        }
        let given = body.parse().await?;
        let change = AccessChange { role: given.role, is_active: given.is_active };

        let mut tx = shop.db.write().await?;
        let user = super::change_access(&mut tx, by.0.id, id.0, change, shop.now()).await?;
        tx.commit().await?;
        Ok(Reply::json(&user.into()))
    }
}
