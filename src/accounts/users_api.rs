//! The endpoints for admins to list and change users.

use platform::{
    clock::Timestamp,
    http::{
        body::Body,
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::{self, Ask},
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

/// A user, as admins see one.
#[derive(Object)]
#[oai(rename = "AdminUser")]
struct AdminUserView {
    #[oai(flatten)]
    user: UserView,
    /// Who is inactive cannot sign in, and has no session.
    is_active: bool,
    /// When the user closed the account; else `null`. What was theirs alone is erased.
    closed_at: Option<Timestamp>,
}

impl From<User> for AdminUserView {
    fn from(user: User) -> Self {
        Self { is_active: user.is_active, closed_at: user.closed_at, user: user.into() }
    }
}

/// What is to be different about a user. Fields left out stay; neither can be `null`.
#[derive(Object)]
struct UserChange {
    /// What the user may do, from their next request on.
    role: Option<Role>,
    /// Making a user inactive ends their sessions at once.
    is_active: Option<bool>,
}

pub struct UsersApi;

#[OpenApi(prefix_path = "/api/admin/users", tag = "Tag::Admin")]
impl UsersApi {
    /// Lists users, newest first.
    ///
    /// Filters narrow the list together: `?role=customer&is_active=false` shows the customers who may not sign in.
    #[oai(path = "/", method = "get", operation_id = "listUsers")]
    #[allow(clippy::too_many_arguments)] // one for each query parameter
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Only those with this text in e-mail, username, or first and last name, in any case; at most 200 characters.
        search: Ask<String>,
        /// Only customers, or only admins.
        role: Ask<Role>,
        /// Only those who may sign in, or only those who may not.
        is_active: Ask<bool>,
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<List<AdminUserView>> {
        let mut faults = ValidationErrors::default();
        let filter = UserFilter {
            search: list::search_key(&faults.note(query::search(&search))),
            role: faults.note(role.get("role")),
            is_active: faults.note(is_active.get("is_active")),
        };
        let page = faults.note(Page::asked(&page, &per_page));
        faults.into_result()?;
        let (users, total) = list::users(&mut shop.db.read().await?, &filter, page).await?;
        let shown = users.into_iter().map(Into::into).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Shows one user.
    ///
    /// The same fields as in their own profile, and whether they may sign in.
    #[oai(path = "/:id", method = "get", operation_id = "getUser")]
    async fn get(&self, shop: Data<&Shop>, _by: Admin, id: Path<UserId>) -> ApiResult<Reply<AdminUserView>> {
        let user = store::find(&mut shop.db.read().await?, id.0).await?.ok_or_else(Problem::not_found)?;
        Ok(Reply::json(&user.into()))
    }

    /// Changes a user's role, or whether they may sign in.
    ///
    /// Making a user inactive ends their sessions: their tokens get 401 `session_revoked`. Nobody changes themselves
    /// here, so a shop always keeps an admin. An account that its user closed stays as it is.
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
        let given = body.judged().await?;
        let change = AccessChange { role: given.role, is_active: given.is_active };

        let mut tx = shop.db.write().await?;
        let user = super::change_access(&mut tx, by.0.id, id.0, change, shop.now()).await?;
        tx.commit().await?;
        Ok(Reply::json(&user.into()))
    }
}
